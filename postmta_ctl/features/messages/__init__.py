"""Messages: accept, show, relay."""
