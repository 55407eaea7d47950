"""Everything anew: facts out of the database, verdicts and clusters, new tables in the place of the old."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from services.common.clock import utc_now
from services.common.database import Database
from services.registry.hubs import repository as hubs
from services.registry.judgements import repository as judgements
from services.registry.linking import rules
from services.registry.linking.bulk import repository
from services.registry.linking.grouping import Groups, group
from services.registry.linking.incidence import Bools, Incidence, Ints, build
from services.registry.linking.judging import CODES, Verdicts, judge
from services.registry.linking.noticing import Before, Change, notice, too_large
from services.registry.linking.rules import Code, State

_FINDINGS: Final = 500
"""Of the values that turned in one rebuild, so many are shown as findings; all are on record."""
_PART: Final = 200_000
_BRIDGE = CODES.index(Code.BRIDGE)
_NOT_HUB = CODES.index(Code.RULED_NOT_HUB)


@dataclass(frozen=True)
class Progress:
    """How far a rebuild is: stage (`read`, `judge`, `group`, `write`) and the share of it that is done."""

    stage: str
    share: float


@dataclass(frozen=True)
class Rebuilt:
    """What a rebuild found: identifiers, shared values, hubs, bridges cut; shops in clusters, the largest."""

    facts: int
    values: int
    hubs: int
    bridges: int
    clustered: int
    clusters: int
    largest: int


@dataclass(frozen=True)
class _Found:
    inc: Incidence
    verdicts: Verdicts
    state: Ints
    groups: Groups

    @property
    def code(self) -> Ints:
        """The verdict in the end: bridges are cut."""
        return np.where(self.groups.cut, _BRIDGE, self.verdicts.code)

    @property
    def hub(self) -> Bools:
        return np.asarray((self.state == int(State.HUB)) | self.groups.cut, dtype=np.bool_)


Tell = Callable[[Progress], None]


async def rebuild(database: Database, tell: Tell = lambda progress: None) -> Rebuilt:
    """Judge every value and group every shop anew. Cancel the task to stop: nothing is changed then.

    Changes made meanwhile are marked, and followed by `service.catch_up`. tell: is told of the progress.
    """
    await database.ping()
    connection = await repository.connect(database.engine.url)
    try:
        await repository.lock(connection)
        await repository.begin(connection)
        async with database.transaction() as session:
            ruled, judged = await hubs.rulings(session), await judgements.live(session)
        columns = await _read(connection, tell)
        found = await asyncio.to_thread(_find, columns, ruled, judged, tell)
        turned = await _write(connection, found, tell)
        await connection.commit()
        await connection.set_autocommit(True)
        await repository.unlock(connection)
    finally:
        await connection.close()
    large = _large(found)
    async with database.transaction() as session:
        await notice(session, turned)
        await too_large(session, large)
    return _summary(found, len(columns[0]))


async def _read(connection: repository.Connection, tell: Tell) -> tuple[Ints, Ints, Ints]:
    parts: list[tuple[Ints, Ints, Ints]] = []
    async for share, *columns in repository.facts(connection):
        parts.append((columns[0], columns[1], columns[2]))
        tell(Progress("read", share))
    empty = np.empty(0, np.int64)
    joined = [np.concatenate([part[at] for part in parts] or [empty]) for at in range(3)]
    return joined[0], joined[1], joined[2]


def _find(
    columns: tuple[Ints, Ints, Ints],
    ruled: dict[tuple[int, int], bool],
    judged: dict[tuple[int, int], str],
    tell: Tell,
) -> _Found:
    numbers = [no for pair in judged for no in pair]
    extra = np.array(numbers, np.int64)  # a shop that shows nothing may still be judged
    kind, key, shop = (
        np.concatenate([column, part])
        for column, part in zip(columns, (np.zeros_like(extra), extra, extra), strict=True)
    )
    if len(extra):
        kind, key, shop = _once(kind, key, shop, len(extra))
    inc = build(kind, key, shop)
    tell(Progress("judge", 0.0))
    verdicts = judge(inc, None, ruled, lambda share: tell(Progress("judge", share)))
    state = verdicts.state(inc.kind)
    tell(Progress("group", 0.0))
    place = dict(zip(numbers, np.searchsorted(inc.nos, numbers).tolist(), strict=True))
    pairs: dict[str, list[tuple[int, int]]] = {"same": [], "different": []}
    for (a, b), verdict in sorted(judged.items()):
        pairs[verdict].append((place[a], place[b]))
    fixed = verdicts.code == _NOT_HUB
    groups = group(inc, state == int(State.LINKS), fixed, pairs["same"], pairs["different"])
    return _Found(inc, verdicts, state, groups)


def _once(kind: Ints, key: Ints, shop: Ints, extra: int) -> tuple[Ints, Ints, Ints]:
    """The facts with each of the last `extra` ones once."""
    known = len(kind) - extra
    _, first = np.unique(shop[known:], return_index=True)
    keep = np.append(np.arange(known), known + first)
    return kind[keep], key[keep], shop[keep]


async def _write(connection: repository.Connection, found: _Found, tell: Tell) -> list[Change]:
    tables: dict[str, Callable[[], Iterator[npt.NDArray[Any]]]] = {
        "identifier_values": lambda: value_rows(
            found.inc, found.verdicts, found.code, found.hub, found.state
        ),
        "clusters": lambda: cluster_rows(found.inc, found.groups),
    }
    for number, (table, rows) in enumerate(tables.items()):
        tell(Progress("write", number / 2))
        await repository.prepare(connection, table)
        await repository.fill(connection, table, rows())
        tell(Progress("write", number / 2 + 0.3))
        await repository.index(connection, table)
    changes = [
        Change(
            (kind, key), Before(o_holders, o_hub, o_reason) if o_hub is not None else None, holders, hub, why
        )
        for kind, key, holders, hub, why, o_holders, o_hub, o_reason in await repository.turned(
            connection, rules.AGENT, _FINDINGS
        )
    ]
    for table in tables:
        await repository.replace(connection, table)
    tell(Progress("write", 1.0))
    return changes


def value_rows(
    inc: Incidence, verdicts: Verdicts, code: Ints, hub: Bools, state: Ints
) -> Iterator[npt.NDArray[Any]]:
    """Rows of `identifier_values` as COPY takes them; values with equal verdicts share one text."""
    at = _micros(utc_now())
    looked = verdicts.figures[:, 0] >= 0
    for which in (np.flatnonzero(~looked), np.flatnonzero(looked)):
        for begin in range(0, len(which), _PART):
            part = which[begin : begin + _PART]
            texts, text_of = _reasons(inc, verdicts, code, part)
            width = max(len(text) for text in texts)
            form = (
                ("i2", 2),
                ("i8", 8),
                ("i4", 4),
                ("i1", 1),
                ("i2", 2),
                (f"S{width + 1}", width + 1),
                ("i8", 8),
            )
            rows = frame(len(part), form)
            columns = (
                inc.kind[part],
                inc.key[part],
                inc.holders[part],
                hub[part].astype(np.int8),
                state[part],
                np.array([b"\x01" + text.ljust(width).encode() for text in texts])[text_of],
                np.full(len(part), at),
            )
            for number, column in enumerate(columns):
                rows[f"v{number}"] = column
            yield rows


def _reasons(inc: Incidence, verdicts: Verdicts, code: Ints, part: Ints) -> tuple[list[str], Ints]:
    facts = np.column_stack([code[part], inc.holders[part], verdicts.figures[part]])
    rows = np.ascontiguousarray(facts).view(np.dtype((np.void, facts.dtype.itemsize * facts.shape[1])))
    _, first, text_of = np.unique(rows.reshape(-1), return_index=True, return_inverse=True)
    texts = []
    for place in first:
        value = int(part[place])
        texts.append(json.dumps(rules.reason(verdicts.facts(inc, value), CODES[int(code[value])])))
    return texts, text_of.reshape(-1)


def cluster_rows(inc: Incidence, groups: Groups) -> Iterator[npt.NDArray[Any]]:
    """Rows of `clusters` as COPY takes them, for the shops that have company."""
    size = np.bincount(groups.block, minlength=len(inc.nos))
    shops = np.flatnonzero(size[groups.block] >= 2)
    for begin in range(0, len(shops), _PART):
        part = shops[begin : begin + _PART]
        rows = frame(len(part), (("i8", 8), ("i8", 8), ("i8", 8)))
        columns = (inc.nos[part], inc.nos[groups.cluster[part]], inc.nos[groups.block[part]])
        for number, column in enumerate(columns):
            rows[f"v{number}"] = column
        yield rows


def frame(count: int, columns: tuple[tuple[str, int], ...]) -> npt.NDArray[Any]:
    """Empty rows in PostgreSQL's binary form: number of fields, then length and value of each."""
    layout: list[tuple[str, str]] = [("fields", ">i2")]
    for number, (form, _) in enumerate(columns):
        layout += [(f"l{number}", ">i4"), (f"v{number}", form if form[0] == "S" else ">" + form)]
    rows = np.zeros(count, np.dtype(layout))
    rows["fields"] = len(columns)
    for number, (_, length) in enumerate(columns):
        rows[f"l{number}"] = length
    return rows


def _micros(at: datetime) -> int:
    """As PostgreSQL counts: microseconds since 2000."""
    since = at - datetime(2000, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _large(found: _Found) -> list[tuple[int, int]]:
    size = np.bincount(found.groups.cluster, minlength=1)
    return [(int(found.inc.nos[at]), int(size[at])) for at in np.flatnonzero(size > rules.LARGE)][:_FINDINGS]


def _summary(found: _Found, facts: int) -> Rebuilt:
    size = np.bincount(found.groups.cluster, minlength=1)
    return Rebuilt(
        facts=facts,
        values=found.inc.values,
        hubs=int((found.state == int(State.HUB)).sum()),
        bridges=int(found.groups.cut.sum()),
        clustered=int(size[size >= 2].sum()),
        clusters=int((size >= 2).sum()),
        largest=int(size.max(initial=0)),
    )
