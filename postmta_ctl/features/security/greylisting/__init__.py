"""Greylisting: how we put off mail that comes in, and how receivers put off ours."""
