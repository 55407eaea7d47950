"""The root of a Merkle tree over entries at hand (RFC 6962 §2.1, SHA-256)."""

import hashlib
from collections.abc import Sequence

ALGORITHM = "rfc6962-sha256"
"""How a manifest names this tree."""


def merkle_root(entries: Sequence[bytes]) -> bytes:
    """The root over these entries, each a leaf; at least one. Raises ValueError for none."""
    if not entries:
        raise ValueError("a tree needs an entry")
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    cut = 1 << ((len(entries) - 1).bit_length() - 1)
    return hashlib.sha256(b"\x01" + merkle_root(entries[:cut]) + merkle_root(entries[cut:])).digest()
