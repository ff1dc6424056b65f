"""What a spam filter would say of a message."""
