"""What makes a message look like spam, by rules of our own: pure, and each with its reason."""
