"""变更 changes: the history of every value."""
