"""The console's built files."""
