"""The public verification page's built files."""
