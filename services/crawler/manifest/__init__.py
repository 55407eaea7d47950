"""The statement about a capture that the worker signs."""
