"""关联引擎 which values tie shops to one operator, which are hubs, and which shops belong together."""
