"""What the agents beside remote nodes ask for: orders, files of releases, keys, and what lies beside them."""
