"""Evidence items: sealing, and what the screens read."""
