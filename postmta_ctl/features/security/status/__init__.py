"""The overview of everything about security."""
