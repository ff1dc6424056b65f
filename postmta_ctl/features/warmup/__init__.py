"""Warm-up that runs itself: what receivers answer decides what a new address may send next."""
