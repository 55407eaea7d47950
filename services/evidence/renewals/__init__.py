"""Evidence records (RFC 4998): renewal of time stamps before their certificates or digests age."""
