"""Checks of our own that hold the design: where SQL may stand, who imports whom, how long a file is."""
