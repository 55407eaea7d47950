"""线索 clues: a suspected violation on its way to the authority that decides about it."""
