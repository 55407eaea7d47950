"""One run of sealing an item: what it knows, and what of that the database does not know yet."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy.orm.attributes import set_committed_value

from services.common.clock import utc_now
from services.common.database import Transaction
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

    async def write(self, session: Transaction, change: Change) -> Mapping[str, Any]:
        """Write a change down in this transaction; gives the columns it set beside those of the change.

        Raises MovedOnError when another run was faster: everything of this transaction is given up.
        """
        item, count = self.item, len(change.events)
        if self.written is None:
            added = await repository.add(session, {**change.values, "custody_seq": count})
            first = 1 if added else None
        else:
            first = await repository.advance(session, item.id, self.written, change.values, count)
        if first is None:
            raise MovedOnError
        known = self.last if first == item.custody_seq + 1 else None
        self.last = await custody.add(session, item.id, first, change.events, known, change.entries)
        await repository.add_stamps(session, change.stamps)
        await repository.add_receipts(session, change.receipts)
        return {"custody_seq": first + count - 1}

    def abandon(self) -> None:
        """Give up what is under way for it; custodians keep nothing of an unfinished package."""
        if self.handover is not None:
            self.handover.abandon()
            self.handover = None
        if self.stamping is not None:
            self.stamping.cancel()
            self.stamping = None
