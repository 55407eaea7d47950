"""Following a change: the values it touches are judged anew, the blocks they hold together are cut anew.

A verdict depends on a value's holders, on what they show, and on who else shows that where few do. So one
changed value can move the values of its shops and, where at most CONNECTOR shops show it, of its other
holders. Verdicts and groups come from the code that computes everything, on the neighbourhood's arrays.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.clock import utc_now
from services.registry.linking import repository, rules
from services.registry.linking.grouping import Groups, group
from services.registry.linking.incidence import Incidence, build
from services.registry.linking.judging import CODES, judge
from services.registry.linking.noticing import Change, notice, too_large
from services.registry.linking.repository import Blocks, Fact, Outcome, Seen, Stored, Value
from services.registry.linking.rules import Code, State


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
    nos: set[int]
    moved: Mapping[Value, Mapping[int, int]]
    seen: Mapping[Value, Seen]
    touched: set[Value]
    count: dict[Value, int]
    before: dict[Value, Stored | None]
    now: dict[Value, _Verdict] = field(default_factory=dict)


async def follow(session: AsyncSession, nos: Sequence[int], values: Iterable[Value] = ()) -> bool:
    """Let everything follow what changed at these shops and the rulings on these values.

    False while everything is being rebuilt: nothing was done then.
    """
    given = list(values)
    around = await repository.around(session, nos, given)
    if around is None:
        return False
    work = _Work(
        session,
        set(nos) - {repository.NOBODY},
        around.moved,
        around.seen,
        set(around.moved) | set(given) | around.marked,
        {value: _count(seen, around.moved.get(value, {})) for value, seen in around.seen.items()},
        {value: seen.stored for value, seen in around.seen.items() if seen.target},
    )
    _judge(work)
    await _regroup(work)
    return True


def _count(seen: Seen, moved: Mapping[int, int]) -> int:
    if seen.count is not None:
        return seen.count
    return (seen.stored.holders if seen.stored else 0) + sum(moved.values())


def _judge(work: _Work) -> None:
    """The verdicts on the values that may have moved and that at least two shops show."""
    targets = [value for value, seen in work.seen.items() if seen.target and work.count[value] >= 2]
    ruled = {value: seen.ruled for value, seen in work.seen.items() if seen.ruled is not None}
    looked = _looked_at(work, [value for value in targets if work.count[value] <= rules.LIMIT], ruled)
    for value in targets:
        number = work.count[value]
        code, facts_of = looked.get(value) or (Code.TOO_MANY, rules.Facts(value[0], number))
        if value in ruled:
            code = Code.RULED_HUB if ruled[value] else Code.RULED_NOT_HUB
        state = rules.state_of(value[0], code)
        row = work.before[value]  # a block that is not grouped anew keeps its cuts
        cut = state is State.LINKS and row is not None and row.reason["code"] == Code.BRIDGE
        work.now[value] = _Verdict(number, code, state, rules.reason(facts_of, code), cut)


def _looked_at(
    work: _Work, tested: Sequence[Value], ruled: dict[Value, bool]
) -> dict[Value, tuple[Code, rules.Facts]]:
    if not tested:
        return {}
    inc = _incidence(work, [(*value, no) for value, seen in work.seen.items() for no in seen.nos])
    place = {value: at for at, value in enumerate(_values(inc))}
    which = np.zeros(inc.values, bool)
    which[[place[value] for value in tested]] = True
    verdicts = judge(inc, which, ruled)
    return {
        value: (CODES[int(verdicts.code[place[value]])], verdicts.facts(inc, place[value]))
        for value in tested
    }


def _incidence(work: _Work, facts: Sequence[Fact]) -> Incidence:
    columns = np.array(facts, np.int64).reshape(-1, 3).T
    return build(columns[0], columns[1], columns[2], work.count)


def _values(inc: Incidence) -> list[Value]:
    return list(zip(inc.kind.tolist(), inc.key.tolist(), strict=True))


async def _regroup(work: _Work) -> None:
    """Blocks and clusters around everything that links now and did not, or did and does not."""
    around = work.nos | {no for shops in work.moved.values() for no in shops}
    joining = [value for value in work.touched | set(work.now) if _joins(work, value)]
    blocks = await repository.blocks(work.session, around, joining)
    linking = _remembered(work, blocks)
    groups, inc, places = _grouped(work, blocks, linking)
    await _recut(work, dict(zip(_values(inc), groups.cut.tolist(), strict=True)))
    outcome = Outcome()
    changes = _changed_values(work, outcome)
    large = _changed_clusters(outcome, groups, inc, places, blocks)
    now = utc_now()
    await repository.put(work.session, outcome, now)
    await notice(work.session, changes, now)
    await too_large(work.session, large)


def _joins(work: _Work, value: Value) -> bool:
    row, verdict = work.before.get(value), work.now.get(value)
    linked = row is not None and row.state == State.LINKS
    links = verdict is not None and verdict.state is State.LINKS
    return linked != links or (links and value in work.touched)


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
    inc = _incidence(work, [*linking, *alone])
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
        named = {"kind": kind, "key": key, **final._asdict(), "reason": json.dumps(final.reason)}
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
