"""Following a change: the values it touches are judged anew, the blocks they hold together are cut anew.

A verdict depends on a value's holders, on what they show, and on who else shows that where few do. So one
changed value can move the values of its shop, and those which something else of that shop ties as well. Where
a value begins or ceases to tie anybody, it can move all values of its holders. Verdicts and groups come from
the code that computes everything, on the neighbourhood's arrays.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from typing import Any

import numpy as np
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.clock import utc_now
from services.registry.linking import repository, rules
from services.registry.linking.grouping import Groups, group
from services.registry.linking.incidence import Incidence, gather
from services.registry.linking.judging import CODES, judge
from services.registry.linking.nearby import repository as nearby
from services.registry.linking.nearby.repository import Around, Blocks
from services.registry.linking.noticing import Change, notice, recorded, too_large
from services.registry.linking.repository import Fact, Outcome, Stored, Value
from services.registry.linking.rules import Code, State

_LIKELY = 8
"""Most values that so few shops show link them."""


@dataclass
class _Verdict:
    """What is known about a value now: before cutting, and whether it is cut. reason None: as stored."""

    holders: int
    code: Code
    state: State
    reason: dict[str, Any] | None
    cut: bool = False

    @property
    def hub(self) -> bool:
        return self.cut or self.state is State.HUB

    def final(self, reason: dict[str, Any]) -> dict[str, Any]:
        return {**reason, "code": Code.BRIDGE.value} if self.cut else reason


@dataclass
class _Work:
    """One change on its way through: the values it touched, how many show each, verdicts before and now."""

    session: AsyncSession
    around: Around
    touched: set[Value]
    count: dict[Value, int]
    before: dict[Value, Stored | None]
    now: dict[Value, _Verdict] = field(default_factory=dict)


async def follow(session: AsyncSession, nos: Sequence[int], values: Iterable[Value] = ()) -> bool:
    """Let everything follow what changed at these shops and the rulings on these values.

    False while everything is being rebuilt: nothing was done then.
    """
    given = list(values)
    around = await nearby.around(session, nos, given)
    if around is None:
        return False
    further = _further(around)
    if further:
        around = await nearby.wider(session, around, nos, further)
    work = _Work(
        session,
        around,
        set(around.moved) | set(given) | around.marked,
        {value: target.holders for value, target in around.targets.items()},
        {value: target.stored for value, target in around.targets.items()},
    )
    likely = _likely(work)
    read = asyncio.create_task(nearby.blocks(session, _parting(work), likely))
    try:
        await asyncio.sleep(0)  # the question is on its way: the database looks while values are judged
        _judge(work)
    finally:
        blocks = await read
    await _regroup(work, blocks, likely)
    return True


def _further(around: Around) -> list[Value]:
    """Values no changed shop shows, but whose holders it ties: by what changed and something else it shows.

    Without the one or the other the shop ties nobody there, before or after.
    """
    tying = {
        value: target.nos
        for value, target in around.targets.items()
        if target.nos is not None and len(target.nos) <= rules.CONNECTOR
    }
    shows: dict[int, set[Value]] = {}
    for value in tying.keys() & around.moved.keys():
        for no in around.moved[value]:
            shows.setdefault(no, set()).add(value)
    for value, nos in tying.items():
        for no in shows.keys() & set(nos):
            shows[no].add(value)
    shows = {no: values for no, values in shows.items() if len(values) >= 2}
    held = _held(around, {no for values in shows.values() for value in values for no in tying[value]})
    found: set[Value] = set()
    for shop, values in shows.items():
        reached = {value: {far for no in tying[value] if no != shop for far in held[no]} for value in values}
        for value, other in permutations(values, 2):
            if shop in around.moved.get(value, ()):
                found |= reached[value] & reached[other]
    return sorted(found - around.targets.keys())


def _held(around: Around, nos: set[int]) -> dict[int, set[Value]]:
    """What each of these shops shows, as far as it was read."""
    held: dict[int, set[Value]] = {no: set() for no in nos}
    for kinds, keys, shops in (around.few, around.many) if nos else ():
        for kind, key, no in zip(kinds, keys, shops, strict=True):
            if no in held:
                held[no].add((kind, key))
    return held


def _judge(work: _Work) -> None:
    """The verdicts on the values that may have moved and that at least two shops show."""
    ruled = {value: target.ruled for value, target in work.around.targets.items() if target.ruled is not None}
    looked = _looked_at(work, work.around.ruled | ruled)
    for value, number in work.count.items():
        if number < 2:
            continue
        code, facts_of = looked.get(value) or (Code.TOO_MANY, rules.Facts(value[0], number))
        if value in ruled:
            code = Code.RULED_HUB if ruled[value] else Code.RULED_NOT_HUB
        state = rules.state_of(value[0], code)
        row = work.before[value]  # a block that is not grouped anew keeps its cuts
        cut = state is State.LINKS and row is not None and row.reason["code"] == Code.BRIDGE
        work.now[value] = _Verdict(number, code, state, rules.reason(facts_of, code), cut)


def _looked_at(work: _Work, ruled: dict[Value, bool]) -> dict[Value, tuple[Code, rules.Facts]]:
    shown = {value: target.nos for value, target in work.around.targets.items() if target.nos}
    tested = [value for value, nos in shown.items() if len(nos) >= 2]
    if not tested:
        return {}
    kinds, keys, shops = (list(column) for column in work.around.few)
    for (kind, key), nos in shown.items():
        kinds += [kind] * len(nos)
        keys += [key] * len(nos)
        shops += nos
    inc = gather(kinds, keys, shops, work.around.count)
    places = {value: inc.place(*value) for value in tested}
    which = np.zeros(inc.values, bool)
    which[list(places.values())] = True
    verdicts = judge(inc, which, ruled)
    return {value: (CODES[int(verdicts.code[at])], verdicts.facts(inc, at)) for value, at in places.items()}


def _values(inc: Incidence) -> list[Value]:
    return list(zip(inc.kind.tolist(), inc.key.tolist(), strict=True))


def _parting(work: _Work) -> set[int]:
    """Shops whose blocks may fall apart, or are judged otherwise now."""
    moved = work.around.moved
    return work.around.judged | {no for value in moved if _linked(work, value) for no in moved[value]}


def _likely(work: _Work) -> set[Value]:
    """Touched values that will most likely join their holders."""
    return {
        value
        for value in work.touched
        if 2 <= work.count.get(value, 0) <= _LIKELY and value[0] not in rules.SUPPORTING
    }


async def _regroup(work: _Work, blocks: Blocks, likely: set[Value]) -> None:
    """Blocks and clusters around everything that links now and did not, or did and does not.

    blocks: those around what is parting and the likely values.
    """
    joining = {value for value in work.touched | set(work.now) if _joins(work, value)}
    parting = _parting(work)
    outcome = Outcome()
    large: list[tuple[int, int]] = []
    if joining or parting:
        if not joining <= likely:
            blocks = await nearby.blocks(work.session, parting, joining)
        linking = _remembered(work, blocks)
        groups, inc, places = _grouped(work, blocks, linking)
        await _recut(work, dict(zip(_values(inc), groups.cut.tolist(), strict=True)))
        large = _changed_clusters(outcome, groups, inc, places, blocks)
    changes = _changed_values(work, outcome)
    outcome.turned = [recorded(change) for change in changes if change.turned]
    await repository.put(work.session, outcome, utc_now())
    await notice(work.session, changes)
    await too_large(work.session, large)


def _joins(work: _Work, value: Value) -> bool:
    verdict = work.now.get(value)
    links = verdict is not None and verdict.state is State.LINKS
    return _linked(work, value) != links or (links and value in work.touched)


def _linked(work: _Work, value: Value) -> bool:
    """Whether it linked before."""
    row = work.before.get(value)
    return row is not None and row.state == State.LINKS


def _remembered(work: _Work, blocks: Blocks) -> list[Fact]:
    """Who shows what links; of values that were not judged now what is stored holds on."""
    linking = []
    for value, known in blocks.values.items():
        verdict = work.now.get(value)
        if verdict is None and value not in work.touched and known.state == State.LINKS:
            code = Code(known.code) if known.code else Code.FEW
            work.count[value] = known.holders or 0
            verdict = work.now[value] = _Verdict(known.holders or 0, code, State.LINKS, None)
            verdict.cut = code is Code.BRIDGE
        if verdict is not None and verdict.state is State.LINKS:
            linking += [(*value, no) for no in known.nos]
    return linking


def _grouped(
    work: _Work, blocks: Blocks, linking: Sequence[Fact]
) -> tuple[Groups, Incidence, dict[int, int]]:
    # A shop nothing links still has a place: a value of its own that no kind has.
    alone = [(0, no, no) for no in sorted(blocks.shops)]
    kinds, keys, shops = ([fact[column] for fact in (*linking, *alone)] for column in range(3))
    inc = gather(kinds, keys, shops, work.count)
    places = {no: at for at, no in enumerate(inc.nos.tolist())}
    fixed = np.array([work.now[value].code is Code.RULED_NOT_HUB for value in _values(inc)], bool)
    pairs: dict[str, list[tuple[int, int]]] = {"same": [], "different": []}
    for a, b, verdict in sorted(blocks.judged):
        pairs[verdict].append((places[a], places[b]))
    groups = group(inc, np.ones(inc.values, bool), fixed, pairs["same"], pairs["different"])
    return groups, inc, places


async def _recut(work: _Work, cuts: Mapping[Value, bool]) -> None:
    """Cuts as they are now; of a value that was not judged now the reason is read only if its cut moved."""
    moved = [value for value, cut in cuts.items() if work.now[value].cut != cut]
    missing = [value for value in moved if work.now[value].reason is None]
    if missing:
        work.before |= await repository.stored(work.session, missing)
    for value in missing:
        row, verdict = work.before[value], work.now[value]
        if row is None:
            raise LookupError(f"no stored value {value}")
        if verdict.code is Code.BRIDGE:
            verdict.code = _uncut(value, row)
        verdict.reason = {**row.reason, "code": verdict.code.value}
    for value in moved:
        work.now[value].cut = cuts[value]


def _uncut(value: Value, row: Stored) -> Code:
    """The verdict before it was cut; an earlier rule's figures say no more than that it linked."""
    if row.reason["rule"] != rules.RULE_VERSION:
        return Code.FEW if row.holders <= rules.SMALL else Code.TIED
    return rules.decide(rules.facts_of(value[0], row.reason))


def _changed_values(work: _Work, outcome: Outcome) -> list[Change]:
    changes = []
    for (kind, key), verdict in sorted(work.now.items()):
        if verdict.reason is None:
            continue
        row = work.before[kind, key]
        final = Stored(verdict.holders, verdict.hub, int(verdict.state), verdict.final(verdict.reason))
        if row == final:
            continue
        named = {"kind": kind, "key": key, **final._asdict()}
        outcome.values.append(named)
        changes.append(Change((kind, key), row, final.holders, final.hub, final.reason))
    outcome.gone = [v for v in sorted(work.touched) if work.count.get(v, 0) < 2 and work.before.get(v)]
    return changes


def _changed_clusters(
    outcome: Outcome, groups: Groups, inc: Incidence, places: dict[int, int], blocks: Blocks
) -> list[tuple[int, int]]:
    """What is to be written of the shops here; gives clusters of unusual size with their sizes."""
    size = np.bincount(groups.block, minlength=len(inc.nos)).tolist()
    nos, cluster, block = inc.nos.tolist(), groups.cluster.tolist(), groups.block.tolist()
    for no, old in sorted(blocks.shops.items()):
        at = places[no]
        row = (nos[cluster[at]], nos[block[at]])
        if size[block[at]] >= 2 and old != row:
            outcome.clusters.append((no, *row))
        elif size[block[at]] < 2 and old is not None:
            outcome.alone.append(no)
    sizes = np.bincount(groups.cluster, minlength=len(inc.nos))
    return [(nos[at], int(sizes[at])) for at in np.flatnonzero(sizes > rules.LARGE)]
