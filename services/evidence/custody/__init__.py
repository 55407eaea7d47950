"""Custody events: who did what to an evidence item, when, why, from where."""
