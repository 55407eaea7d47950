"""Server-side sessions and the local operator's token."""
