"""What runs in the background: the list of jobs, and the loop that runs them."""
