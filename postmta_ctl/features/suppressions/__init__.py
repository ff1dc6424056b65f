"""Addresses that get no more mail: by hand, by hard bounce, by complaint, by their own wish."""
