"""Looking for what is wrong with an installation, and saying what to do. Nothing is changed."""
