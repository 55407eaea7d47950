"""Putting the log in order after it refused to sign."""
