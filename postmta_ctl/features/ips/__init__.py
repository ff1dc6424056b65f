"""IP addresses that operators assign to organizations."""
