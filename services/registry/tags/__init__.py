"""标签 tags: words an authority puts on subjects and presences."""
