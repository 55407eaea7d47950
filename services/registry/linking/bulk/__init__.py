"""Millions of rows at once: out of PostgreSQL as arrays, and back as tables that take the old ones' place."""
