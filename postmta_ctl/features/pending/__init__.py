"""The contract of the API, and an honest answer for what of it is not built yet."""
