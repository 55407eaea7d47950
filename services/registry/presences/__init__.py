"""网店·网站 presences: where a subject sells or shows itself."""
