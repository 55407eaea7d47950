"""What there is to get back to, free of I/O.

The truth is the largest tree that the log's own key signed, as a witness shows it; the published checkpoint
counts when it extends what the witnesses show, or when none of them shows anything.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.evidence.log.entries import read_entry
from services.evidence.log.merkle import MerkleTree, leaf_hash
from services.evidence.log.notes import Checkpoint

_LISTED = 1000
_NUMBER = re.compile(r"WJ-(\d{6})-(\d{4})-(\d{8})")


@dataclass(frozen=True)
class Shown:
    """A checkpoint of the log as someone shows it: who, the note, what it says."""

    by: str
    note: str
    head: Checkpoint


@dataclass
class Findings:
    """What there is. `leaves`: the truth's entries, None where one is lost; `rows`: those in the database."""

    rows: dict[int, bytes]
    truth: Shown
    leaves: list[bytes | None]
    witnesses: list[dict[str, Any]] = field(default_factory=list)
    contradictions: list[int] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Leaves in the database."""
        return max(self.rows, default=-1) + 1

    @property
    def missing(self) -> list[int]:
        """Leaves of the truth that the database lacks."""
        return [index for index in range(self.truth.head.size) if index not in self.rows]

    @property
    def changed(self) -> list[int]:
        """Leaves whose rows hold other bytes than the truth."""
        return [
            index
            for index, leaf in enumerate(self.leaves)
            if leaf is not None and index in self.rows and self.rows[index] != leaf
        ]

    @property
    def lost(self) -> list[int]:
        """Leaves that are nowhere."""
        return [index for index in self.missing if self.leaves[index] is None]

    @property
    def whole(self) -> bool:
        """Whether the leaves at hand are exactly the truth's, and nothing else was ever signed."""
        tree = grown(self.best())
        head = self.truth.head
        return tree.size == head.size and tree.root() == head.root and not self.contradictions

    def best(self) -> list[bytes | None]:
        """The truth's leaves with rows where nothing else is known."""
        return [leaf if leaf is not None else self.rows.get(index) for index, leaf in enumerate(self.leaves)]

    def report(self, refusal: dict[str, Any] | None) -> dict[str, Any]:
        """As JSON values; long lists of leaves are cut."""
        head = self.truth.head
        return {
            "origin": head.origin,
            "refusal": refusal,
            "database": {"size": self.size},
            "witnesses": self.witnesses,
            "truth": {"size": head.size, "root": head.root.hex(), "shown_by": self.truth.by},
            "missing": _cut(self.missing),
            "changed": _cut(self.changed),
            "lost": _cut(self.lost),
            "contradicting_checkpoints": _cut(self.contradictions),
            "recoverable": self.whole,
        }


def _cut(indexes: Sequence[int]) -> dict[str, Any]:
    return {"count": len(indexes), "first": list(indexes[:_LISTED])}


def grown(leaves: Iterable[bytes | None]) -> MerkleTree:
    """The tree over the leaves up to the first that is not known."""
    tree = MerkleTree()
    for leaf in leaves:
        if leaf is None:
            break
        tree.append(leaf_hash(leaf))
    return tree


def agrees(tree: MerkleTree, head: Checkpoint) -> bool:
    """Whether a tree has this head."""
    return head.size <= tree.size and tree.root(head.size) == head.root


def find_truth(witnessed: Sequence[Shown], published: Shown | None, own: Shown, tree: MerkleTree) -> Shown:
    """The head to get back to. tree: over the published entries; own: the newest one in the database."""
    best = max(witnessed, key=lambda item: item.head.size, default=None)
    if published is not None and agrees(tree, published.head):
        extends = best is None or (best.head.size <= published.head.size and agrees(tree, best.head))
        if extends:
            return published
    return best or published or own


def find_leaves(
    truth: Checkpoint, rows: dict[int, bytes], published: list[bytes | None]
) -> list[bytes | None]:
    """The truth's entries as far as they are known: the rows when they give it, else what was published."""
    own = [rows.get(index) for index in range(truth.size)]
    if agrees(grown(own), truth):
        return own
    return (published + [None] * truth.size)[: truth.size]


def highest_numbers(entries: Iterable[bytes], stated: Iterable[str]) -> dict[tuple[str, int], int]:
    """(region, year) → the highest evidence number in seal entries and in custodians' receipts."""
    named = [str(read_entry(entry).get("evidence_no", "")) for entry in entries]
    found: dict[tuple[str, int], int] = {}
    for text in (*named, *stated):
        match = _NUMBER.fullmatch(text)
        if match:
            key = (match[1], int(match[2]))
            found[key] = max(found.get(key, 0), int(match[3]))
    return found
