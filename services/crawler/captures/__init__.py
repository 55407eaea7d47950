"""Captures: orders to look at a page, their progress and result."""
