"""Objects: the content-addressed store of bytes on disk."""
