"""Whether files are dangerous."""
