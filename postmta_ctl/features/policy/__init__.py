"""Releases: plan, prove, publish."""
