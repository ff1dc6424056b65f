"""Benchmarks: how the product compares with something simpler that does part of the same work.

Nothing here asserts a time. Both sides of a row are measured in one run, in turns, so that what else the machine does
meets both; what counts is their ratio.
"""
