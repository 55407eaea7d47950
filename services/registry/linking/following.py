"""Following a change: the values it touches are judged anew, the blocks they hold together are cut anew.

A verdict depends on a value's holders, on what they show, and on who else shows that where few do. So one
changed value can move the values of its shops and, where at most CONNECTOR shops show it, of its other
holders. Verdicts and groups come from the code that computes everything, on the neighbourhood's arrays.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
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
from services.registry.linking.repository import Fact, Stored, Value
from services.registry.linking.rules import Code, State


@dataclass
class _Verdict:
    """What is known about a value now: before cutting, and whether it is cut."""

    holders: int
    code: Code
    state: State
    reason: dict[str, Any]
    cut: bool = False

    @property
    def hub(self) -> bool:
        return self.cut or self.state is State.HUB

    def final(self) -> dict[str, Any]:
        return {**self.reason, "code": Code.BRIDGE.value} if self.cut else self.reason


@dataclass
class _Work:
    """One change on its way through, and what was read of its neighbourhood so far."""

    session: AsyncSession
    nos: set[int]
    moved: dict[Value, dict[int, int]]
    touched: set[Value]
    before: dict[Value, Stored | None] = field(default_factory=dict)
    count: dict[Value, int] = field(default_factory=dict)
    now: dict[Value, _Verdict] = field(default_factory=dict)
    _holders: dict[Value, list[int]] = field(default_factory=dict)
    _shown: dict[int, list[Value]] = field(default_factory=dict)

    async def recount(self) -> None:
        """How many show the touched values now."""
        for value, (row, nos) in (await repository.touched(self.session, self.touched)).items():
            self.before[value] = row
            if nos is not None:
                self._holders[value], self.count[value] = nos, len(nos)
            elif row is not None:
                self.count[value] = row.holders + sum(self.moved.get(value, {}).values())

    async def holders(self, values: Iterable[Value]) -> dict[Value, list[int]]:
        """All who show each value."""
        wanted = list(values)
        missing = [value for value in wanted if value not in self._holders]
        self._holders |= await repository.holders(self.session, missing)
        return {value: self._holders[value] for value in wanted}

    async def shown(self, nos: Iterable[int]) -> dict[int, list[Value]]:
        """What each shop shows; `count` then knows how many show it."""
        wanted = list(nos)
        missing = [no for no in wanted if no not in self._shown]
        self._shown |= {no: [] for no in missing}
        for no, kind, key, holders in await repository.of_shops(self.session, missing):
            self._shown[no].append((kind, key))
            self.count.setdefault((kind, key), holders)
        return {no: self._shown[no] for no in wanted}

    async def remember(self, values: Iterable[Value]) -> None:
        """What is stored about each value."""
        missing = [value for value in values if value not in self.before]
        self.before |= dict.fromkeys(missing)
        self.before |= await repository.stored(self.session, missing)


async def follow(session: AsyncSession, nos: Sequence[int], values: Iterable[Value] = ()) -> None:
    """Let everything follow what changed at these shops and the rulings on these values."""
    moved, marked = await repository.take(session, nos)
    work = _Work(session, set(nos) - {repository.NOBODY}, moved, set(moved) | marked | set(values))
    await work.recount()
    await _judge(work, await _targets(work))
    await _regroup(work)


async def _targets(work: _Work) -> list[Value]:
    """The values whose verdict may have moved and that at least two shops show."""
    small = []
    for value in work.touched:
        row = work.before[value]
        if min(work.count[value], row.holders if row else 1) <= rules.CONNECTOR:
            small.append(value)
    near = {no for shops in work.moved.values() for no in shops}
    near.update(no for shops in (await work.holders(small)).values() for no in shops)
    found = set(work.touched)
    found.update(value for shown in (await work.shown(near)).values() for value in shown)
    return [value for value in found if work.count[value] >= 2]


async def _judge(work: _Work, targets: Sequence[Value]) -> None:
    await work.remember(targets)
    tested = [value for value in targets if rules.SMALL < work.count[value] <= rules.LIMIT]
    facts, known = await _neighbourhood(work, tested)
    ruled = await repository.ruled(work.session, known | set(targets))
    looked = _looked_at(work, tested, facts, ruled)
    for value in targets:
        number = work.count[value]
        few = Code.FEW if number <= rules.SMALL else Code.TOO_MANY
        code, facts_of = looked.get(value) or (few, rules.Facts(value[0], number))
        if value in ruled:
            code = Code.RULED_HUB if ruled[value] else Code.RULED_NOT_HUB
        state = rules.state_of(value[0], code)
        row = work.before[value]  # a block that is not grouped anew keeps its cuts
        cut = state is State.LINKS and row is not None and row.reason["code"] == Code.BRIDGE
        work.now[value] = _Verdict(number, code, state, rules.reason(facts_of, code), cut)


def _looked_at(
    work: _Work, tested: Sequence[Value], facts: Iterable[Fact], ruled: dict[Value, bool]
) -> dict[Value, tuple[Code, rules.Facts]]:
    if not tested:
        return {}
    inc = _incidence(work, facts)
    place = {value: at for at, value in enumerate(_values(inc))}
    which = np.zeros(inc.values, bool)
    which[[place[value] for value in tested]] = True
    verdicts = judge(inc, which, ruled)
    return {
        value: (CODES[int(verdicts.code[place[value]])], verdicts.facts(inc, place[value]))
        for value in tested
    }


async def _neighbourhood(work: _Work, tested: Sequence[Value]) -> tuple[set[Fact], set[Value]]:
    """All holders of these values, all they show, and who else shows that where few do."""
    members = {no for nos in (await work.holders(tested)).values() for no in nos}
    shown = await work.shown(members)
    facts = {(kind, key, no) for no, values in shown.items() for kind, key in values}
    known = {(kind, key) for kind, key, _ in facts}
    ties = [value for value in known if 2 <= work.count[value] <= rules.CONNECTOR]
    for (kind, key), nos in (await work.holders(ties)).items():
        facts.update((kind, key, no) for no in nos)
    return facts, known


def _incidence(work: _Work, facts: Iterable[Fact]) -> Incidence:
    columns = np.array(list(facts), np.int64).reshape(-1, 3).T
    return build(columns[0], columns[1], columns[2], work.count)


def _values(inc: Incidence) -> list[Value]:
    return list(zip(inc.kind.tolist(), inc.key.tolist(), strict=True))


async def _regroup(work: _Work) -> None:
    """Blocks and clusters around everything that links now and did not, or did and does not."""
    around = set(work.nos) | {no for shops in work.moved.values() for no in shops}
    joining = []
    for value in work.touched | set(work.now):
        was, links = _linked(work.before.get(value)), _links(work.now.get(value))
        if was != links or (value in work.touched and links):
            joining.append(value)
    around.update(no for nos in (await work.holders(joining)).values() for no in nos)
    old = await repository.blocks(work.session, around)
    shops = around | set(old)
    shown = await work.shown(shops)
    shared = {value for values in shown.values() for value in values if work.count[value] >= 2}
    await _remember(work, [value for value in shared if value not in work.now])
    linking = [
        (kind, key, no)
        for no, values in shown.items()
        for kind, key in values
        if _links(work.now.get((kind, key)))
    ]
    groups, inc, places = await _grouped(work, linking, shops)
    for value, cut in zip(_values(inc), groups.cut.tolist(), strict=True):
        work.now[value].cut = cut
    await _write_values(work)
    await _write_clusters(work, groups, inc, places, old, shops)


def _linked(row: Stored | None) -> bool:
    return row is not None and row.state == State.LINKS


def _links(verdict: _Verdict | None) -> bool:
    return verdict is not None and verdict.state is State.LINKS


async def _remember(work: _Work, values: Sequence[Value]) -> None:
    """What is stored about values that were not judged now holds on."""
    await work.remember(values)
    for value in values:
        row = work.before[value]
        if row is None:
            continue
        code = Code(row.reason["code"])
        if code is Code.BRIDGE:
            code = rules.decide(rules.facts_of(value[0], row.reason))
        reason = {**row.reason, "code": code.value}
        work.now[value] = _Verdict(row.holders, code, State(row.state), reason)


async def _grouped(
    work: _Work, linking: Sequence[Fact], shops: set[int]
) -> tuple[Groups, Incidence, dict[int, int]]:
    # A shop nothing links still has a place: a value of its own that no kind has.
    alone = [(0, no, no) for no in sorted(shops)]
    inc = _incidence(work, [*linking, *alone])
    places = {no: at for at, no in enumerate(inc.nos.tolist())}
    fixed = np.array([work.now[value].code is Code.RULED_NOT_HUB for value in _values(inc)], bool)
    pairs: dict[str, list[tuple[int, int]]] = {"same": [], "different": []}
    for a, b, verdict in sorted(await repository.judged(work.session, shops)):
        pairs[verdict].append((places[a], places[b]))
    groups = group(inc, np.ones(inc.values, bool), fixed, pairs["same"], pairs["different"])
    return groups, inc, places


async def _write_values(work: _Work) -> None:
    rows, changes = [], []
    for (kind, key), verdict in sorted(work.now.items()):
        row = work.before[kind, key]
        final = Stored(verdict.holders, verdict.hub, int(verdict.state), verdict.final())
        if row == final:
            continue
        named = {"kind": kind, "key": key, **final._asdict(), "reason": json.dumps(final.reason)}
        rows.append(named)
        changes.append(Change((kind, key), row, final.holders, final.hub, final.reason))
    gone = [value for value in sorted(work.touched) if work.count[value] < 2 and work.before[value]]
    now = utc_now()
    await repository.put_values(work.session, rows, now)
    await repository.drop_values(work.session, gone)
    await notice(work.session, changes, now)


async def _write_clusters(
    work: _Work,
    groups: Groups,
    inc: Incidence,
    places: dict[int, int],
    old: dict[int, tuple[int, int]],
    shops: set[int],
) -> None:
    size = np.bincount(groups.block, minlength=len(inc.nos)).tolist()
    nos, cluster, block = inc.nos.tolist(), groups.cluster.tolist(), groups.block.tolist()
    put, drop = [], []
    for no in sorted(shops):
        at = places[no]
        if size[block[at]] < 2:
            if no in old:
                drop.append(no)
            continue
        row = nos[cluster[at]], nos[block[at]]
        if old.get(no) != row:
            put.append((no, *row))
    await repository.drop_clusters(work.session, drop)
    await repository.put_clusters(work.session, put)
    sizes = np.bincount(groups.cluster, minlength=len(inc.nos))
    large = [(nos[at], int(sizes[at])) for at in np.flatnonzero(sizes > rules.LARGE)]
    await too_large(work.session, large)
