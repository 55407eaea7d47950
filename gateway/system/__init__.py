"""The state of every part of the platform, told truthfully."""
