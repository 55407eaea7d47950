"""Copies that say less: redacted packages and single artefacts, each with its proof."""
