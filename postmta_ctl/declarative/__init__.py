"""A configuration written down: reading the file with its places, and what it takes to get there. Pure."""
