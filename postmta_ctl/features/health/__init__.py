"""Is the service alive, and its parts."""
