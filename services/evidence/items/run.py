"""One run of sealing an item: what it knows, and what of that the database does not know yet."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy.orm.attributes import set_committed_value

from services.common.clock import utc_now
from services.common.database import Database, Transaction
from services.evidence.custody import service as custody
from services.evidence.custody.rules import Happened
from services.evidence.items import repository
from services.evidence.items.handover import Handover
from services.evidence.items.models import EvidenceItem
from services.evidence.log.repository import LeafIndex
from services.evidence.package.layout import Member, Part
from services.evidence.timestamps.client import Stamp as FreshStamp


class MovedOnError(Exception):
    """Another run has moved the item on meanwhile."""


@dataclass(frozen=True)
class Change:
    """What happened to an item: columns, custody events, rows and log entries that go with it."""

    values: Mapping[str, Any] = field(default_factory=dict)
    events: Sequence[Happened] = ()
    stamps: Sequence[Mapping[str, Any]] = ()
    receipts: Sequence[Mapping[str, Any]] = ()
    entries: Mapping[str, bytes] = field(default_factory=dict)

    def then(self, later: "Change") -> "Change":
        """Both, one after the other."""
        return Change(
            {**self.values, **later.values},
            [*self.events, *later.events],
            [*self.stamps, *later.stamps],
            [*self.receipts, *later.receipts],
            {**self.entries, **later.entries},
        )


@dataclass(frozen=True)
class Written:
    """A change in a transaction; the number of its last custody event, and that event's document."""

    change: Change
    custody_seq: int
    last: bytes | None


def now(*events: Happened) -> list[Happened]:
    """The events, as of now."""
    at = utc_now()
    return [replace(event, at=at) for event in events]


@dataclass
class Run:
    """The item as far as it has come; `written`: its stage in the database, None before it is there.

    `unwritten`: what the database does not know yet; `last`: the newest custody event's document, when known;
    `leaf`: where its entry is in the log, when this run wrote it.
    """

    item: EvidenceItem
    written: str | None
    unwritten: Change = Change()
    members: list[Member] = field(default_factory=list)
    last: bytes | None = None
    handover: Handover | None = None
    parts: list[Part] = field(default_factory=list)
    stamping: asyncio.Task[list[FreshStamp]] | None = None
    leaf: LeafIndex | None = None

    def took(self, values: Mapping[str, Any]) -> None:
        """Take columns into the item, which is detached from any session."""
        for name, value in values.items():
            set_committed_value(self.item, name, value)

    async def write(self, session: Transaction, change: Change) -> Written:
        """Write a change down in this transaction; `settle` takes it in once that is committed.

        Raises MovedOnError when another run was faster: everything of this transaction is given up.
        """
        return await self._write_at_once(session, change) or await self._write_in_steps(session, change)

    async def write_alone(self, database: Database, change: Change) -> Written:
        """The same in a transaction of its own."""
        async with database.at_once() as session:
            written = await self._write_at_once(session, change)
        if written is not None:
            return written
        async with database.direct() as session:
            return await self._write_in_steps(session, change)

    async def _write_in_steps(self, session: Transaction, change: Change) -> Written:
        """The general way; it finds out what happened to the item meanwhile."""
        if self.written is None:
            raise MovedOnError
        item, count = self.item, len(change.events)
        first = await repository.advance(session, item.id, self.written, change.values, count)
        if first is None:
            raise MovedOnError
        known = self.last if first == item.custody_seq + 1 else None
        last = await custody.add(session, item.id, first, change.events, known, change.entries)
        await repository.add_stamps(session, change.stamps)
        await repository.add_receipts(session, change.receipts)
        return Written(change, first + count - 1, last)

    async def _write_at_once(self, session: Transaction, change: Change) -> Written | None:
        """The same in one statement; None when there is such an item, or it had events we do not know of."""
        if self.written is not None and self.last is None:
            return None
        item, known = self.item, self.item.custody_seq
        rows = custody.drawn_up(item.id, known + 1, change.events, self.last)
        done = await repository.step(
            session,
            item.id,
            change.values,
            None if self.written is None else (self.written, known),
            events=rows,
            entries={**change.entries, **custody.log_entries(rows)},
            stamps=change.stamps,
            receipts=change.receipts,
        )
        return Written(change, known + len(rows), rows[-1].document) if done else None

    def settle(self, written: Written) -> None:
        """What was written is durable."""
        self.took({**written.change.values, "custody_seq": written.custody_seq})
        self.written, self.unwritten, self.last = self.item.stage, Change(), written.last

    def abandon(self) -> None:
        """Give up what is under way for it; custodians keep nothing of an unfinished package."""
        if self.handover is not None:
            self.handover.abandon()
            self.handover = None
        if self.stamping is not None:
            self.stamping.cancel()
            self.stamping = None
