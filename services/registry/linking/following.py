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
from services.registry.hubs import repository as hubs
from services.registry.judgements import repository as judgements
from services.registry.linking import repository, rules
from services.registry.linking.grouping import Groups, group
from services.registry.linking.incidence import Incidence, build
from services.registry.linking.judging import CODES, judge
from services.registry.linking.noticing import Change, notice, too_large
from services.registry.linking.repository import Fact, Value
from services.registry.linking.rules import Code, State

_RECOUNT = 1_000
"""Values on more shops than this are not counted anew at every change: what came and went is added up."""


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
    """One change on its way through."""

    session: AsyncSession
    nos: set[int]
    moved: dict[Value, dict[int, int]]
    asked: set[Value]
    before: dict[Value, Any] = field(default_factory=dict)
    count: dict[Value, int] = field(default_factory=dict)
    now: dict[Value, _Verdict] = field(default_factory=dict)

    @property
    def touched(self) -> set[Value]:
        return set(self.moved) | self.asked

    def holders_of(self, value: Value, else_: int) -> int:
        return self.count.get(value, else_)


async def follow(session: AsyncSession, nos: Sequence[int], values: Iterable[Value] = ()) -> None:
    """Let everything follow what changed at these shops and the rulings on these values."""
    moved, marked = await repository.take(session, nos)
    work = _Work(session, set(nos) - {repository.NOBODY}, moved, marked | set(values))
    await _recount(work)
    targets = await _targets(work)
    await _judge(work, targets)
    await _regroup(work)


async def _recount(work: _Work) -> None:
    work.before = await repository.stored(work.session, work.touched)
    anew = []
    for value in work.touched:
        row = work.before.get(value)
        if row is not None and row.holders > _RECOUNT:
            work.count[value] = row.holders + sum(work.moved.get(value, {}).values())
        else:
            anew.append(value)
    work.count |= await repository.count(work.session, anew)


async def _targets(work: _Work) -> dict[Value, int]:
    """The values whose verdict may have moved, with their holders."""
    near = {no for shops in work.moved.values() for no in shops}
    small = []
    for value in work.touched:
        row = work.before.get(value)
        if min(work.count[value], row.holders if row else 1) <= rules.CONNECTOR:
            small.append(value)
    near |= {no for _, _, no in await repository.holders(work.session, small)}
    found = {value: work.count[value] for value in work.touched}
    for kind, key, _, holders in await repository.of_shops(work.session, near):
        found.setdefault((kind, key), holders)
    return found


async def _judge(work: _Work, targets: dict[Value, int]) -> None:
    missing = [value for value in targets if value not in work.before]
    work.before |= await repository.stored(work.session, missing)
    shared = {value: number for value, number in targets.items() if number >= 2}
    tested = [value for value, number in shared.items() if rules.SMALL < number <= rules.LIMIT]
    facts, known = await _neighbourhood(work, tested)
    ruled = await hubs.rulings(work.session, list(known | shared))
    inc = _incidence(facts, known)
    place = {value: at for at, value in enumerate(zip(inc.kind.tolist(), inc.key.tolist(), strict=True))}
    which = np.zeros(inc.values, bool)
    which[[place[value] for value in tested]] = True
    verdicts = judge(inc, which, ruled)
    for value, number in shared.items():
        if value in place and which[place[value]]:
            code, facts_of = CODES[int(verdicts.code[place[value]])], verdicts.facts(inc, place[value])
        else:
            code = Code.FEW if number <= rules.SMALL else Code.TOO_MANY
            facts_of = rules.Facts(value[0], number)
        if value in ruled:
            code = Code.RULED_HUB if ruled[value] else Code.RULED_NOT_HUB
        state = rules.state_of(value[0], code)
        row = work.before.get(value)  # a block that is not grouped anew keeps its cuts
        cut = state is State.LINKS and row is not None and row.reason["code"] == Code.BRIDGE
        work.now[value] = _Verdict(number, code, state, rules.reason(facts_of, code), cut)


async def _neighbourhood(work: _Work, tested: Sequence[Value]) -> tuple[list[Fact], dict[Value, int]]:
    """All holders of these values, all they show, and who else shows that where few do."""
    members = {no for _, _, no in await repository.holders(work.session, tested)}
    facts, known = set(), {}
    for kind, key, no, holders in await repository.of_shops(work.session, members):
        facts.add((kind, key, no))
        known[kind, key] = work.holders_of((kind, key), holders)
    ties = [value for value, number in known.items() if 2 <= number <= rules.CONNECTOR]
    facts.update(await repository.holders(work.session, ties))
    return list(facts), known


def _incidence(facts: Sequence[Fact], known: dict[Value, int]) -> Incidence:
    columns = np.array(facts, np.int64).reshape(-1, 3).T
    return build(columns[0], columns[1], columns[2], known)


async def _regroup(work: _Work) -> None:
    """Blocks and clusters around everything that links now and did not, or did and does not."""
    session = work.session
    around = set(work.nos) | {no for shops in work.moved.values() for no in shops}
    joining = []
    for value in work.touched | set(work.now):
        was, links = _linked(work.before.get(value)), _links(work.now.get(value))
        if was != links or (value in work.touched and links):
            joining.append(value)
    around |= {no for _, _, no in await repository.holders(session, joining)}
    old = await repository.blocks(session, around)
    shops = around | set(old)
    facts = []
    for kind, key, no, holders in await repository.of_shops(session, shops):
        facts.append((kind, key, no, work.holders_of((kind, key), holders)))
    await _remember(work, {(kind, key) for kind, key, _, holders in facts if holders >= 2})
    linking = [(kind, key, no) for kind, key, no, _ in facts if _links(work.now.get((kind, key)))]
    groups, inc, places = await _grouped(work, linking, shops)
    values = list(zip(inc.kind.tolist(), inc.key.tolist(), strict=True))
    for value, cut in zip(values, groups.cut.tolist(), strict=True):
        work.now[value].cut = cut
    await _write_values(work)
    await _write_clusters(work, groups, inc, places, old, shops)


def _linked(row: Any) -> bool:
    return row is not None and row.state == State.LINKS


def _links(verdict: _Verdict | None) -> bool:
    return verdict is not None and verdict.state is State.LINKS


async def _remember(work: _Work, values: set[Value]) -> None:
    """What is stored about values that were not judged now holds on."""
    missing = [value for value in values if value not in work.now]
    rows = await repository.stored(work.session, [value for value in missing if value not in work.before])
    work.before |= rows
    for value in missing:
        row = work.before.get(value)
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
    pairs = await judgements.live(work.session, sorted(shops))
    pairs = {pair: verdict for pair, verdict in pairs.items() if set(pair) <= shops}
    # A shop nothing links still has a place: a value of its own that no kind has.
    alone = [(0, no, no) for no in sorted(shops)]
    known = {value: verdict.holders for value, verdict in work.now.items()}
    inc = _incidence([*linking, *alone], known)
    places = {int(no): at for at, no in enumerate(inc.nos)}
    values = list(zip(inc.kind.tolist(), inc.key.tolist(), strict=True))
    fixed = np.array([work.now[value].code is Code.RULED_NOT_HUB for value in values], bool)
    at: dict[str, list[tuple[int, int]]] = {"same": [], "different": []}
    for (a, b), verdict in sorted(pairs.items()):
        at[verdict].append((places[a], places[b]))
    groups = group(inc, np.ones(inc.values, bool), fixed, at["same"], at["different"])
    return groups, inc, places


async def _write_values(work: _Work) -> None:
    rows, changes = [], []
    for value, verdict in work.now.items():
        row = work.before.get(value)
        final = verdict.final()
        if row is not None and (row.holders, row.hub, row.state, row.reason) == (
            verdict.holders,
            verdict.hub,
            verdict.state,
            final,
        ):
            continue
        kind, key = value
        rows.append(
            {
                "kind": kind,
                "key": key,
                "holders": verdict.holders,
                "hub": verdict.hub,
                "state": int(verdict.state),
                "reason": json.dumps(final),
            }
        )
        changes.append(Change(value, row, verdict.holders, verdict.hub, final))
    gone = [value for value in work.touched if work.count[value] < 2 and value in work.before]
    now = utc_now()
    await repository.put_values(work.session, sorted(rows, key=lambda row: (row["kind"], row["key"])), now)
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
    size = np.bincount(groups.block, minlength=len(inc.nos))
    put, drop = [], []
    for no in sorted(shops):
        at = places[no]
        if size[groups.block[at]] < 2:
            if no in old:
                drop.append(no)
            continue
        row = (int(inc.nos[groups.cluster[at]]), int(inc.nos[groups.block[at]]))
        if old.get(no) != row:
            put.append((no, *row))
    await repository.drop_clusters(work.session, drop)
    await repository.put_clusters(work.session, put)
    sizes = np.bincount(groups.cluster, minlength=len(inc.nos))
    large = [(int(inc.nos[at]), int(sizes[at])) for at in np.flatnonzero(sizes > rules.LARGE)]
    await too_large(work.session, large)
