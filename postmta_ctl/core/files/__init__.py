"""What a file is, what it hides, and why it may be dangerous: pure, and within bounds of time and memory."""
