"""The development time-stamping authority (RFC 3161): its own process, its own key."""
