"""机构 organisations: the authorities, a tree of its own beside the regions."""
