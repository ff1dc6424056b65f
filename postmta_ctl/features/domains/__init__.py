"""Sending domains: DKIM keys, DNS records, verification."""
