"""RFC 3161 time stamps."""
