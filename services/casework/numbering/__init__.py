"""编号 numbering: numbers of clues and cases, per authority and year."""
