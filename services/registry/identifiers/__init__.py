"""号码 identifiers: numbers that name a subject, a site or a way to reach someone."""
