"""SQL that reads what lies around a change, in one round trip each. It sees every shop, whoever asks.

Lookups by many values or shops are LATERAL … OFFSET 0: one index probe each, whatever the planner believes.
Who shows what comes as three arrays: a row for each fact would take longer to receive than to find.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.linking import rules
from services.registry.linking.repository import (
    FOLLOWING,
    NOBODY,
    REBUILDING,
    Stored,
    Value,
    array,
    driver_of,
    rows,
    run,
    split,
)

_COUNTED: Final = 1_000
"""Values on more shops than this are not counted anew at every change: what came and went is added up."""

_FOLLOWING_NOW = "current_setting('wangjian.following', true) = 'true'"
# Told to the statements behind it, which are sent without waiting for the answer; and to plan them once only:
# planning takes longer than they do.
_TURN = (
    "SELECT set_config('wangjian.following', CASE WHEN pg_try_advisory_xact_lock_shared($1)"
    " THEN (SELECT 'true' FROM pg_advisory_xact_lock($2)) ELSE 'false' END, true),"
    " set_config('plan_cache_mode', 'force_generic_plan', true)"
)
_STORED = (
    " LEFT JOIN LATERAL (SELECT * FROM identifier_values v"
    " WHERE v.kind = u.kind AND v.key = u.key OFFSET 0) w ON true"
)
_RULED = (
    " LATERAL (SELECT ruling = 'hub' AS hub FROM hub_rulings h WHERE h.kind = u.kind AND h.key = u.key"
    " AND h.live AND h.ruling <> 'withdrawn' OFFSET 0) r"
)
_GIVEN = "unnest($1::smallint[], $2::bigint[]) AS given(kind, key)"


def _shown_by(shops: str) -> str:
    """Who of these shows what: told by the key of the table alone, in one pass over it."""
    return (
        "SELECT presence_no AS no, kind, key FROM identifiers"  # noqa: S608
        f" WHERE presence_no = ANY(ARRAY(SELECT no FROM {shops})) AND ended_at IS NULL"
    )


def _holders(most: str = "ALL") -> str:
    return (
        "ARRAY(SELECT presence_no FROM identifiers g WHERE g.kind = u.kind AND g.key = u.key"  # noqa: S608
        f" AND g.ended_at IS NULL LIMIT {most})"
    )


# Whether other changes wait to be followed: only then may what is stored differ from what is counted.
_WAITING = (
    " waiting AS MATERIALIZED (SELECT EXISTS (SELECT FROM identifier_changes c"
    " WHERE NOT c.presence_no = ANY($5::bigint[])) AS more),"
)
# Values that are not touched, with who shows them, where LIMIT or fewer do. Those that wait are left alone.
_LOOKED_AT = (
    "SELECT u.kind, u.key, h.nos, cardinality(h.nos) AS count, w.holders, w.hub, w.state, w.reason"  # noqa: S608
    f" FROM (%s) u{_STORED} CROSS JOIN LATERAL (SELECT {_holders('$4::int + 1')} AS nos OFFSET 0) h"
    " WHERE coalesce(w.holders, 1) <= $4 AND cardinality(h.nos) = coalesce(w.holders, 1)"
)
# `members`: who shows the targets; then everything members show, with all who show it where few do. Few by
# what is stored, not by what may be counted already of changes nobody followed: when these are followed, what
# is stored passes CONNECTOR, and all that rests on it is looked at.
_NEIGHBOURS = (
    " members AS (SELECT DISTINCT unnest(nos) AS no FROM targets WHERE cardinality(nos) >= 2),"  # noqa: S608
    f" shown AS MATERIALIZED ({_shown_by('members')}),"
    " known AS MATERIALIZED (SELECT u.kind, u.key, s.holders, CASE WHEN s.shared THEN"
    f" {_holders('CASE WHEN s.holders IS NULL THEN $3::int + 1 WHEN s.holders > $3 THEN 0 END')}"
    " ELSE u.nos END AS nos FROM (SELECT kind, key, array_agg(no) AS nos FROM shown s WHERE NOT EXISTS"
    " (SELECT FROM targets t WHERE t.kind = s.kind AND t.key = s.key) GROUP BY 1, 2) u CROSS JOIN LATERAL"
    " (SELECT (SELECT true FROM identifier_values v WHERE v.kind = u.kind AND v.key = u.key) AS shared,"
    " CASE WHEN (SELECT more FROM waiting) THEN coalesce((SELECT holders FROM identifier_values v"
    " WHERE v.kind = u.kind AND v.key = u.key), 1) END AS holders OFFSET 0) s),"
    " few AS (SELECT kind, key, holders, nos FROM known"
    " WHERE cardinality(nos) > 0 AND coalesce(holders, cardinality(nos)) <= $3)"
    " SELECT 0, u.kind, u.key, u.nos, u.count, u.holders, u.hub, u.state, u.reason, r.hub,"
    f" NULL::smallint[], NULL::bigint[] FROM targets u LEFT JOIN{_RULED} ON true"
    " UNION ALL SELECT 1, u.kind, u.key, NULL, u.holders, NULL, NULL, NULL, NULL, r.hub, NULL, NULL"
    f" FROM few u LEFT JOIN{_RULED} ON true WHERE r.hub IS NOT NULL OR u.holders IS NOT NULL"
    " UNION ALL SELECT 2, NULL, NULL, array_agg(no), NULL, NULL, NULL, NULL, NULL, NULL,"
    " array_agg(kind), array_agg(key) FROM (SELECT kind, key, unnest(nos) AS no FROM few) f"
    " UNION ALL SELECT 3, NULL, NULL, array_agg(no), NULL, NULL, NULL, NULL, NULL, NULL,"
    " array_agg(kind), array_agg(key) FROM (SELECT s.kind, s.key, s.no FROM shown s JOIN known k"
    " ON k.kind = s.kind AND k.key = s.key WHERE coalesce(k.holders, cardinality(k.nos)) > $3) f"
)
# What went and came is taken off the log; `near`: shops all of whose values' verdicts may have moved: those
# that changed, and all who show a value that begins or ceases to tie.
_AROUND = (
    "WITH log AS (DELETE FROM identifier_changes WHERE presence_no = ANY($5::bigint[])"  # noqa: S608
    f" AND {_FOLLOWING_NOW} RETURNING presence_no, kind, key, delta),{_WAITING}"
    " touched AS MATERIALIZED (SELECT u.kind, u.key, u.delta, u.given, w.holders, w.hub, w.state, w.reason,"
    f" CASE WHEN coalesce(w.holders, 0) <= {_COUNTED} THEN {_holders()} END AS nos"
    " FROM (SELECT kind, key, sum(delta)::int AS delta, min(presence_no) = -1 AS given"
    " FROM (SELECT presence_no, kind, key, delta FROM log WHERE kind <> 0"
    f" UNION ALL SELECT -1, kind, key, 0 FROM {_GIVEN} WHERE {_FOLLOWING_NOW}) m GROUP BY 1, 2) u{_STORED}),"
    " near AS (SELECT presence_no AS no FROM log WHERE kind <> 0 AND presence_no <> -1 UNION"
    " SELECT unnest(nos) FROM touched WHERE least(cardinality(nos), coalesce(holders, 1)) <= $3 AND (given"
    " OR holders IS NULL OR cardinality(nos) < 2 OR (cardinality(nos) <= $3) <> (holders <= $3))),"
    " targets AS MATERIALIZED (SELECT kind, key, CASE WHEN cardinality(nos) <= $4 THEN nos END AS nos,"
    " CASE WHEN nos IS NULL THEN holders + delta ELSE cardinality(nos) - CASE WHEN cardinality(nos)"
    f" <= {_COUNTED} THEN 0 ELSE (SELECT coalesce(sum(c.delta), 0)::int FROM identifier_changes c WHERE"
    " c.kind = t.kind AND c.key = t.key AND NOT c.presence_no = ANY($5::bigint[])) END END AS count,"
    f" holders, hub, state, reason FROM touched t UNION ALL {_LOOKED_AT}),"
    f"{_NEIGHBOURS} UNION ALL SELECT 4, kind, key, ARRAY[presence_no], delta,"
    " NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM log"
).replace(
    "%s",
    f"SELECT kind, key FROM ({_shown_by('near')}) f EXCEPT SELECT kind, key FROM touched",  # noqa: S608
)
_WIDER = (f"WITH{_WAITING} targets AS MATERIALIZED ({_LOOKED_AT}),{_NEIGHBOURS}").replace(
    "%s",
    f"SELECT kind, key FROM {_GIVEN}",  # noqa: S608
)
# The blocks of these shops, of whom officers judged the same with them, and of all who show these values:
# their shops, what two of them show, judgements.
_BLOCKS = (
    "WITH given AS (SELECT unnest($3::bigint[]) AS no),"  # noqa: S608
    " start AS (SELECT no FROM given UNION SELECT CASE WHEN j.shop_a = n.no THEN j.shop_b ELSE j.shop_a END"
    " FROM given n JOIN bound_judgements j ON n.no IN (j.shop_a, j.shop_b) UNION SELECT f.presence_no"
    " FROM unnest($1::smallint[], $2::bigint[]) AS u(kind, key) CROSS JOIN LATERAL"
    " (SELECT presence_no FROM identifiers g WHERE g.kind = u.kind AND g.key = u.key"
    " AND g.ended_at IS NULL OFFSET 0) f),"
    " old AS MATERIALIZED (SELECT c.presence_no AS no, c.cluster, c.block FROM (SELECT DISTINCT b.block"
    " FROM start n CROSS JOIN LATERAL (SELECT block FROM clusters d WHERE d.presence_no = n.no OFFSET 0) b) u"
    " CROSS JOIN LATERAL (SELECT * FROM clusters e WHERE e.block = u.block OFFSET 0) c),"
    " shops AS MATERIALIZED (SELECT no FROM start UNION SELECT no FROM old),"
    f" held AS (SELECT kind, key, array_agg(no) AS nos FROM ({_shown_by('shops')}) f GROUP BY 1, 2"
    " HAVING count(*) >= 2)"
    " SELECT 0, NULL::bigint, NULL::bigint, NULL::bigint, array_agg(n.no), array_agg(o.cluster),"
    " array_agg(o.block), NULL::text FROM shops n LEFT JOIN old o USING (no)"
    f" UNION ALL SELECT u.kind, u.key, w.holders, w.state, u.nos, NULL, NULL, w.reason->>'code'"
    f" FROM held u{_STORED}"
    " UNION ALL SELECT -1, n.no, j.shop_b, NULL, NULL, NULL, NULL, j.verdict FROM shops n"
    " CROSS JOIN LATERAL (SELECT shop_b, verdict FROM counting_judgements g WHERE g.shop_a = n.no"
    " AND g.verdict IN ('same', 'different') OFFSET 0) j WHERE j.shop_b IN (SELECT no FROM shops)"
)


class Target(NamedTuple):
    """A value whose verdict may have moved.

    holders: how many show it; nos: who, where at most LIMIT do; stored: what is stored about it; ruled: an
    officer's ruling, True a hub.
    """

    holders: int
    nos: list[int] | None
    stored: Stored | None
    ruled: bool | None


Facts = tuple[list[int], list[int], list[int]]
"""Kinds, keys and shops, one of each a fact."""


@dataclass
class Around:
    """What a change touched, and what the verdicts that may have moved rest on.

    moved: what came (1) to or went (-1) from which shop; judged: shops of which judgements changed; marked:
    values to be looked at as such; few: who shows what, of the values around that at most CONNECTOR shops
    show; many: what those who show a target show besides; ruled: officers' rulings on the former, True a hub;
    count: how many show one of them, where changes wait that nobody followed yet.
    """

    moved: dict[Value, dict[int, int]] = field(default_factory=dict)
    judged: set[int] = field(default_factory=set)
    marked: set[Value] = field(default_factory=set)
    targets: dict[Value, Target] = field(default_factory=dict)
    few: Facts = ([], [], [])
    many: Facts = ([], [], [])
    ruled: dict[Value, bool] = field(default_factory=dict)
    count: dict[Value, int] = field(default_factory=dict)


class Known(NamedTuple):
    """A value two shops of a block or more show: who of them does, and what is stored (None: nothing)."""

    nos: list[int]
    holders: int | None
    state: int | None
    code: str | None


@dataclass
class Blocks:
    """Shops with (cluster, block) as stored, the values they show, and what officers judged among them."""

    shops: dict[int, tuple[int, int] | None] = field(default_factory=dict)
    values: dict[Value, Known] = field(default_factory=dict)
    judged: list[tuple[int, int, str]] = field(default_factory=list)


async def around(session: AsyncSession, nos: Sequence[int], values: Iterable[Value]) -> Around | None:
    """Takes its turn among those who follow changes, and what these shops' changes and values touch.

    None while everything is being rebuilt: then nothing was taken off the log.
    """
    driver = await driver_of(session)
    async with driver.pipeline():
        turn = await run(driver, _TURN, (REBUILDING, FOLLOWING))
        found = await run(driver, _AROUND, _given(nos, values))
        mine = await turn.fetchone()
        known = await found.fetchall()
    return _around(known) if mine is not None and mine[0] == "true" else None


async def wider(session: AsyncSession, found: Around, nos: Sequence[int], values: Iterable[Value]) -> Around:
    """The same change at these shops with these values among its targets."""
    more = _around(await rows(session, _WIDER, _given(nos, values)))
    targets = more.targets | found.targets
    facts = {*zip(*found.few, strict=True), *zip(*more.few, strict=True)}
    few = [fact for fact in facts if fact[:2] not in targets]
    kinds, keys, shops = (list(column) for column in zip(*few, strict=True)) if few else ([], [], [])
    ruled = found.ruled | more.ruled
    count = {value: number for value, number in (found.count | more.count).items() if value not in targets}
    return replace(found, targets=targets, few=(kinds, keys, shops), ruled=ruled, count=count)


def _given(nos: Sequence[int], values: Iterable[Value]) -> tuple[Any, ...]:
    return (*split(values), rules.CONNECTOR, rules.LIMIT, array(nos))


def _around(given: Iterable[tuple[Any, ...]]) -> Around:
    found = Around()
    for what, kind, key, nos, count, holders, hub, state, reason, ruled, kinds, keys in given:
        if what == 0:
            stored = None if holders is None else Stored(holders, hub, state, reason)
            found.targets[kind, key] = Target(count, nos, stored, ruled)
        elif what == 1:
            if ruled is not None:
                found.ruled[kind, key] = ruled
            if count is not None:
                found.count[kind, key] = count
        elif what == 2:
            found.few = (kinds or [], keys or [], nos or [])
        elif what == 3:
            found.many = (kinds or [], keys or [], nos or [])
        elif nos[0] == NOBODY:
            found.marked.add((kind, key))
        elif kind:
            shops = found.moved.setdefault((kind, key), {})
            shops[nos[0]] = shops.get(nos[0], 0) + count
        else:
            found.judged.add(nos[0])
    return found


async def blocks(session: AsyncSession, nos: Collection[int], values: Collection[Value]) -> Blocks:
    """The blocks of these shops and of all who show these values."""
    found = Blocks()
    if not nos and not values:
        return found
    for kind, one, other, third, shown, clusters, names, word in await rows(
        session, _BLOCKS, (*split(values), array(nos))
    ):
        if kind > 0:
            found.values[kind, one] = Known(shown, other, third, word)
        elif kind:
            found.judged.append((one, other, word))
        elif shown:
            pairs = zip(clusters, names, strict=True)
            stored = [None if cluster is None else (cluster, block) for cluster, block in pairs]
            found.shops = dict(zip(shown, stored, strict=True))
    return found
