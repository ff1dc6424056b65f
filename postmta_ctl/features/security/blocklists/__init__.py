"""DNS blocklists: who lists our addresses."""
