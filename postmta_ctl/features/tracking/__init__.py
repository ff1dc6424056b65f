"""Open pixels and click redirects."""
