"""Leave for organisations outside an item's region to read it, as casework gives and withdraws it."""
