"""Whether mail is clean, and senders in good standing."""
