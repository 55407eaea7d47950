"""Self-contained proofs that an entry is in the log: c2sp.org/tlog-proof@v1."""

import base64
from collections.abc import Sequence

from services.common.canonical import canonical

HEADER = "c2sp.org/tlog-proof@v1"


def format_proof(index: int, hashes: list[bytes], checkpoint: str) -> str:
    """The proof file for the entry at `index`; checkpoint: the signed, cosigned note."""
    lines = [HEADER, f"index {index}", *(base64.b64encode(item).decode() for item in hashes), ""]
    return "\n".join(lines) + "\n" + checkpoint


def format_consistency(old: int, new: int, hashes: Sequence[bytes]) -> bytes:
    """`log.consistency.json` (docs/evidence/package.md): the RFC 9162 §2.1.4 proof from tree `old` to `new`.

    old and new are 0 and the list is empty when the two trees are of different shards.
    """
    encoded = [base64.b64encode(item).decode() for item in hashes]
    return canonical({"hashes": encoded, "new": new, "old": old, "v": 1})


def parse_proof(text: str) -> tuple[int, list[bytes], str]:
    """(index, hashes, note) of a proof file in its canonical form. Raises ValueError."""
    head, separator, note = text.partition("\n\n")
    lines = head.split("\n")
    if not separator or len(lines) < 2 or lines[0] != HEADER or not lines[1].startswith("index "):
        raise ValueError("not a tlog-proof")
    number = lines[1].removeprefix("index ")
    if not number.isascii() or not number.isdigit() or len(number) > 16:
        raise ValueError("malformed leaf index")
    hashes = [base64.b64decode(line, validate=True) for line in lines[2:]]
    if any(len(item) != 32 for item in hashes) or format_proof(int(number), hashes, note) != text:
        raise ValueError("not in canonical form")
    return int(number), hashes, note
