"""Offline verification and the trust file."""
