"""How long each item must be kept, by dated rules, and legal holds; applied to every object of the item."""
