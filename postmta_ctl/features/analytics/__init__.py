"""Analytics: what became of the mail of a period, read from the roll-ups."""
