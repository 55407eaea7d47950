"""撤销 undoing: an import taken back as a whole, and what stands in the way."""
