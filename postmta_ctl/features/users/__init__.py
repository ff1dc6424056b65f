"""The people of an organization: their roles, and inviting them."""
