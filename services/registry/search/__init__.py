"""检索 search: folding and gram hashing for substring search of Chinese text."""
