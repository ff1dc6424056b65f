"""Log records of the nodes become events."""
