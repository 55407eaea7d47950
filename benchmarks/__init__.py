"""Benchmarks: `python -m benchmarks` prints our figure, the floor's and the ratio, measured in one run."""
