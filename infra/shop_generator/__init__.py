"""Seeded worlds of shops with hidden operators: the ground on which linking is measured."""
