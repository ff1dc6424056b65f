"""Moving in from elsewhere: the plan of an import, and carrying it out."""
