"""关联 links: which shops share values, why, and how two shops of one cluster hang together."""
