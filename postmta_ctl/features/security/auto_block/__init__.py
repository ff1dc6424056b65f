"""Stopping mail by itself: rules over what became of the mail before, and the blocks that they lead to."""
