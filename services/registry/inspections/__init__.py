"""检查 inspections: who looked at a presence, when, and what came of it."""
