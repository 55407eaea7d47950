"""The tamper matrix: every way to tamper with evidence that we know of, each with the code it must give.

`world.World` is a deployment with an honest package; `all_cases()` gives the cases; `python -m
tests.evidence_matrix` writes the table in docs/evidence/tamper-matrix.md, with `--write FOLDER` also the
tampered files themselves, for other verifiers.
"""
