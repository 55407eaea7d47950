"""Intakes: artefacts on their way from the capture worker."""
