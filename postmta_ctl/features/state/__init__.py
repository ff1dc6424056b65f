"""The configuration as one document: writing it down, and bringing the installation to what one says."""
