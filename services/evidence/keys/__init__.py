"""Signing keys: which there ever were, from when until when each counts, and who changed that."""
