"""What is kept for a while only."""
