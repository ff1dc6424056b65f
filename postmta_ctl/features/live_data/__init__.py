"""What policies look up and what changes by the minute: from rows to files on the nodes."""
