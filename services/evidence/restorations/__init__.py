"""Missing or damaged objects of an item put back from a custodian's copy of its package."""
