"""Scheduled queues: what waits on the nodes, and holding, releasing and flushing it."""
