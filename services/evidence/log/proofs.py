"""Self-contained proofs that an entry is in the log: c2sp.org/tlog-proof@v1."""

import base64

HEADER = "c2sp.org/tlog-proof@v1"


def format_proof(index: int, hashes: list[bytes], checkpoint: str) -> str:
    """The proof file for the entry at `index`; checkpoint: the signed, cosigned note."""
    lines = [HEADER, f"index {index}", *(base64.b64encode(item).decode() for item in hashes), ""]
    return "\n".join(lines) + "\n" + checkpoint
