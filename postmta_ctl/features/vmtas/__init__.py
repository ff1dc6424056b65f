"""Virtual MTAs."""
