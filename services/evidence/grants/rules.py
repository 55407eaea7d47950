"""When another service's word about access takes effect (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Word:
    """One word of casework: an item is opened to, or closed for, an organisation on a ground."""

    evidence_id: str
    org_code: str
    basis: str
    version: int
    reason: str


def read_word(payload: Mapping[str, Any]) -> Word:
    """The word in a fact's payload; basis and version were not sent before facts named their ground."""
    return Word(
        evidence_id=str(payload["evidence_id"]),
        org_code=str(payload["org_code"]),
        basis=str(payload.get("basis") or "")[:80],
        version=int(payload.get("version") or 0),
        reason=str(payload.get("reason") or ""),
    )


def is_news(word: Word, known_version: int | None) -> bool:
    """Whether a word is newer than what is on record for its ground.

    Facts travel at least once and in no fixed order; only the ground's own version tells which is later.
    """
    return known_version is None or word.version > known_version
