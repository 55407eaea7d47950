"""What goes to a preparing process and what comes back: a batch of records, and the rows made of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.common.personal import KeyRing


@dataclass(frozen=True)
class Setting:
    """What all batches of one import share. `dry`: nothing is to be written, only counted."""

    import_id: str
    source: str
    mapping: tuple[str | None, ...]
    org: str
    region: str
    by: str
    by_name: str
    stamp: datetime
    divisions: dict[str, str]
    ring: KeyRing
    dry: bool = False


@dataclass(slots=True)
class Known:
    """Where a record goes: the row's number and id, taken in advance; `old`: its values when it is there
    already.

    seen: it was written by this very import before, so the file names it twice. decided: an officer has said
    who has jurisdiction.
    """

    no: int
    id: str
    old: dict[str, Any] | None = None
    seen: bool = False
    decided: bool = False


@dataclass(slots=True)
class Item:
    """One record: number, physical lines, cells; its id in the list (empty: none), and its fingerprint."""

    number: int
    lines: int
    cells: list[str]
    source_id: str
    fingerprint: int


@dataclass
class Batch:
    """Records to prepare. subjects: licence → (subject's id, its number; 0 when the subject is there
    already); shared: licences whose subjects a batch before may write as well."""

    items: list[Item]
    known: dict[str, Known]
    subjects: dict[str, tuple[str, int]]
    shared: set[str]

    def __reduce__(self) -> tuple[Any, ...]:
        """As plain tuples between processes: a fraction of the work."""
        items = [(i.number, i.lines, i.cells, i.source_id, i.fingerprint) for i in self.items]
        known = [(name, k.no, k.id, k.old, k.seen, k.decided) for name, k in self.known.items()]
        return _unpacked, (items, known, self.subjects, self.shared)


def _unpacked(
    items: list[tuple[int, int, list[str], str, int]],
    known: list[tuple[str, int, str, dict[str, Any] | None, bool, bool]],
    subjects: dict[str, tuple[str, int]],
    shared: set[str],
) -> Batch:
    there = {name: Known(no, row_id, old, seen, decided) for name, no, row_id, old, seen, decided in known}
    return Batch([Item(*item) for item in items], there, subjects, shared)


@dataclass
class Prepared:
    """Rows in COPY's binary form, and what there is to say about them.

    shared_subjects: those of `Batch.shared`. records = created + updated + unchanged + doubled + errors.
    """

    presences: bytes = b""
    changed: bytes = b""
    identifiers: bytes = b""
    changed_identifiers: bytes = b""
    subjects: bytes = b""
    shared_subjects: bytes = b""
    changes: bytes = b""
    remarks: list[tuple[Any, ...]] = field(default_factory=list)
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    doubled: int = 0
    errors: int = 0
    warnings: int = 0
    tallies: dict[str, int] = field(default_factory=dict)
    nos: list[int] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)
