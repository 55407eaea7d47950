"""Sorting records: which row each one is, whether it differs from what was imported last, whose subject it
names."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession

from services.common.ids import new_ids
from services.common.personal import PersonalData
from services.registry.claims.machine import UNDECIDED
from services.registry.imports.fields import FIELDS
from services.registry.imports.reading.tables import Record
from services.registry.imports.taking import repository
from services.registry.imports.taking.batches import Batch, Item, Known, Setting
from services.registry.imports.taking.repository import There
from services.registry.imports.taking.rows import subject_key

# Part of every fingerprint: raised when rows are made in another way, so that lists are taken anew.
RULES_VERSION: Final = "1"
_FINGERPRINT: Final = 0xF0
"""Stands where the kind of an identifier would: no identifier has this number."""
_UNPRINTABLE: Final = ("\0", "\udcff", "\udcfe", "\udcfd")
_MADE_OF: Final = ("platform", "url", "name", "subject_name", "licence")
_LONGEST_ID: Final = FIELDS["id"].longest


class Unchanged(NamedTuple):
    """A row that stands as it is: its id, its number, when a list showed it last."""

    id: str
    no: int
    last_seen: datetime


@dataclass
class Sorted:
    """What is known of a batch while its rows are prepared, and the rows that stand as they are.

    after, last: numbers of the records around; named: ids of the records that are prepared; licences: by
    which their subjects are known.
    """

    after: int
    last: int
    count: int
    named: set[str]
    licences: list[str]
    unchanged: list[Unchanged]


class Sorter:
    """Sorts the records of one import."""

    def __init__(self, setting: Setting, personal: PersonalData) -> None:
        self._at, self._personal = setting, personal
        at = {name: position for position, name in enumerate(setting.mapping) if name}
        self._id, self._licence = at.get("id"), at.get("licence")
        self._made_of = [at[name] for name in _MADE_OF if name in at]
        self._mapped = [position for position, name in enumerate(setting.mapping) if name]
        self._head = "\x1f".join((RULES_VERSION, *(str(name) for name in setting.mapping)))
        self._width = len(setting.mapping)
        # Ids given to subjects of batches that are not written yet, and how many of these name each.
        self._under_way: dict[str, tuple[str, int]] = {}
        self._naming: Counter[str] = Counter()

    def items(self, found: Iterable[Record]) -> list[Item]:
        """Records with their id in the list and their fingerprint."""
        return [self._item(record) for record in found]

    def _item(self, record: Record) -> Item:
        cells = record.cells
        if len(cells) < self._width or (len(cells[0]) == 1 and cells[0] in _UNPRINTABLE):
            return Item(record.number, record.lines, cells, "", 0)
        whole = "\x1f".join([self._head, *[cells[position] for position in self._mapped]])
        try:
            fingerprint = self._personal.key(_FINGERPRINT, whole)
        except UnicodeEncodeError:  # bytes the encoding of the list does not know
            fingerprint = self._personal.key(_FINGERPRINT, whole.encode("utf-8", "replace").decode())
        return Item(record.number, record.lines, cells, self._source_id(cells), fingerprint)

    def _source_id(self, cells: Sequence[str]) -> str:
        if self._id is None:
            whole = "\x1f".join(cells[position].strip() for position in self._made_of)
            return "~" + hashlib.sha256(whole.encode("utf-8", "replace")).hexdigest()[:20]
        given = cells[self._id].strip()
        if len(given) > _LONGEST_ID:
            return ""
        return given if given.isprintable() or not any(mark in given for mark in _UNPRINTABLE) else ""

    async def sort(self, session: AsyncSession, items: list[Item], after: int) -> tuple[Sorted, Batch]:
        """Look up what is there already, and take numbers and ids for what is not."""
        named = list({item.source_id for item in items if item.source_id})
        await repository.by_index(session)
        there = await repository.fingerprints(session, self._at.org, self._at.source, named)
        fresh, unchanged, changed = _parted(items, there, self._at.stamp)
        known = await self._known(session, there, changed)
        new = list(dict.fromkeys(item.source_id for item in fresh if item.source_id))
        numbers = [0] * len(new) if self._at.dry else await repository.numbers(session, "presences", len(new))
        known |= {
            name: Known(no, row_id) for name, no, row_id in zip(new, numbers, new_ids(len(new)), strict=True)
        }
        batch = Batch([*fresh, *changed], known, {}, set())
        batch.subjects, batch.shared = await self._subjects(session, batch.items)
        licences, last = list(batch.subjects), items[-1].number
        return Sorted(after, last, len(items), set(known), licences, unchanged), batch

    async def _known(self, session: AsyncSession, there: Any, changed: list[Item]) -> dict[str, Known]:
        ids = {item.source_id: there[item.source_id][1] for item in changed}
        rows = await repository.old_rows(session, list(ids.values())) if ids else {}
        known = {}
        for source_id, row_id in ids.items():
            old = rows[row_id]
            sealed = old.pop("personal")
            old |= self._personal.open(bytes(sealed), row_id) if sealed else {}
            seen = there[source_id][3] == self._at.stamp
            decided = old.pop("claim_state") not in UNDECIDED
            known[source_id] = Known(old["no"], row_id, old, seen, decided)
        return known

    async def _subjects(
        self, session: AsyncSession, items: list[Item]
    ) -> tuple[dict[str, tuple[str, int]], set[str]]:
        """The subjects of a batch, and which of them a batch under way may write first."""
        wanted = list(dict.fromkeys([norm for item in items if (norm := self._norm(item))]))
        if self._licence is None or self._at.dry:
            return dict.fromkeys(wanted, ("", 0)), set()
        # Looked up before the database is asked: a batch may be written, and leave, in between.
        under_way = {norm: self._under_way[norm] for norm in wanted if norm in self._under_way}
        there = await repository.subject_ids(session, self._at.org, wanted)
        found = under_way | {norm: (row_id, 0) for norm, row_id in there.items()}
        new = [norm for norm in wanted if norm not in found]
        numbers = await repository.numbers(session, "subjects", len(new))
        for norm, no, row_id in zip(new, numbers, new_ids(len(new)), strict=True):
            found[norm] = self._under_way[norm] = (row_id, no)
        self._naming.update(wanted)
        return found, set(under_way)

    def _norm(self, item: Item) -> str | None:
        if self._licence is None or len(item.cells) <= self._licence:
            return None
        cell = item.cells[self._licence]
        return subject_key(cell.strip()) if len(cell) <= FIELDS["licence"].longest else None

    def written(self, batch: Sorted) -> None:
        """The batch is in the database, and its subjects are found there.

        Not all: that of an unusable row is not, and comes with the next batch under way that names it.
        """
        self._naming.subtract(batch.licences)
        for norm in batch.licences:
            if self._naming[norm] <= 0:
                del self._naming[norm]
                self._under_way.pop(norm, None)


def _parted(
    items: list[Item], there: dict[str, There], stamp: datetime
) -> tuple[list[Item], list[Unchanged], list[Item]]:
    """(new or unusable, unchanged, changed or named twice)."""
    if not there:
        return items, [], []
    fresh: list[Item] = []
    unchanged: list[Unchanged] = []
    changed: list[Item] = []
    times = Counter(item.source_id for item in items)
    for item in items:
        found = there.get(item.source_id)
        if found is None:
            fresh.append(item)
        elif found[2] == item.fingerprint and found[3] != stamp and times[item.source_id] == 1:
            unchanged.append(Unchanged(found[1], found[0], found[4]))
        else:
            changed.append(item)
    return fresh, unchanged, changed
