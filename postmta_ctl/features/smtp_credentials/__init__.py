"""Credentials for submission by SMTP."""
