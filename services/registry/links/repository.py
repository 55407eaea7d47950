"""SQL of links. Of shops outside the caller's region only the division leaves this module.

Fixed statements on the driver's connection: a page of a shop is to take less than 5 ms at ten million shops.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession

from services.common.database import run
from services.common.identity import Claims
from services.common.scope import region_prefix
from services.registry.links.rules import Held

NEIGHBOURS: Final = 2_000
CLUSTER_CAP: Final = 1_000


class ShopRow(NamedTuple):
    """A shop the caller may see; size: shops of its cluster, counted to one more than the cap."""

    no: int
    id: str
    name: str
    platform: str | None
    region_code: str
    cluster: int | None
    size: int


class AroundRow(NamedTuple):
    """What leads from a shop to another: a value (`ended_at`: one of them is without it) or a verdict."""

    no: int
    kind: int
    key: int
    ended_at: datetime | None
    verdict: str | None


class NeighbourRow(NamedTuple):
    """Another shop; id, name and platform only where the caller may see it."""

    no: int
    region_code: str
    seen: bool
    id: str
    name: str
    platform: str | None
    cluster: int | None


class DivisionRow(NamedTuple):
    """A division and the bureau that answers for it."""

    code: str
    name: str
    org_code: str | None
    org_name: str | None


_SHOP = (
    "SELECT p.no, p.id, p.name, p.platform, p.region_code, c.cluster,"
    " (SELECT count(*) FROM (SELECT FROM clusters o"
    " WHERE o.block = c.block AND o.cluster = c.cluster LIMIT %(cap)s) AS company)"
    " FROM presences p LEFT JOIN clusters c ON c.presence_no = p.no"
    " WHERE p.id = %(id)s AND p.region_code LIKE %(region)s"
)
_VALUES = (
    "SELECT i.presence_no, i.kind, i.key, i.value, i.source, i.first_seen, i.last_seen, i.ended_at,"
    " coalesce(v.holders, (SELECT count(*) FROM identifiers o WHERE o.kind = i.kind AND o.key = i.key"
    " AND o.ended_at IS NULL)), coalesce(v.hub, false), v.reason, v.decided_at"
    " FROM identifiers i LEFT JOIN identifier_values v ON v.kind = i.kind AND v.key = i.key"
    " WHERE i.presence_no = ANY(%(nos)s) ORDER BY i.presence_no, i.kind, i.key"
)
# All that leads from one shop to others, in one statement: shared values that may link, values one of the two
# no longer shows (one index for each half), and what officers judged.
_AROUND = (
    "(SELECT o.presence_no, i.kind, i.key, CAST(NULL AS timestamptz), CAST(NULL AS varchar)"
    " FROM identifiers i"
    " JOIN identifier_values v ON v.kind = i.kind AND v.key = i.key AND NOT v.hub"
    " JOIN identifiers o ON o.kind = i.kind AND o.key = i.key AND o.ended_at IS NULL"
    " AND o.presence_no <> i.presence_no"
    " WHERE i.presence_no = %(no)s AND i.ended_at IS NULL LIMIT %(cap)s)"
    " UNION ALL"
    " (SELECT o.presence_no, i.kind, i.key, i.ended_at, NULL FROM identifiers i"
    " JOIN identifiers o ON o.kind = i.kind AND o.key = i.key AND o.ended_at IS NULL"
    " LEFT JOIN identifier_values v ON v.kind = i.kind AND v.key = i.key"
    " WHERE i.presence_no = %(no)s AND i.ended_at IS NOT NULL AND o.presence_no <> %(no)s"
    " AND NOT coalesce(v.hub, false) LIMIT %(cap)s)"
    " UNION ALL"
    " (SELECT o.presence_no, i.kind, i.key, least(i.ended_at, o.ended_at), NULL FROM identifiers i"
    " JOIN identifiers o ON o.kind = i.kind AND o.key = i.key AND o.ended_at IS NOT NULL"
    " LEFT JOIN identifier_values v ON v.kind = i.kind AND v.key = i.key"
    " WHERE i.presence_no = %(no)s AND o.presence_no <> %(no)s"
    " AND NOT coalesce(v.hub, false) LIMIT %(cap)s)"
    " UNION ALL"
    " SELECT CASE WHEN shop_a = %(no)s THEN shop_b ELSE shop_a END, 0, 0, NULL, verdict"
    " FROM counting_judgements"
    " WHERE verdict IN ('same', 'different') AND (shop_a = %(no)s OR shop_b = %(no)s)"
)
_SHOPS = (
    "SELECT p.no, p.region_code, s.seen, CASE WHEN s.seen THEN p.id END, CASE WHEN s.seen THEN p.name END,"
    " CASE WHEN s.seen THEN p.platform END, c.cluster"
    " FROM presences p CROSS JOIN LATERAL (SELECT p.region_code LIKE %(region)s AS seen) AS s"
    " LEFT JOIN clusters c ON c.presence_no = p.no"
    " WHERE p.no = ANY(%(nos)s) AND p.merged_into IS NULL"
)
# A cluster bears the number of one of its shops.
_MEMBERS = (
    "SELECT presence_no FROM clusters WHERE cluster = %(cluster)s"
    " AND block = (SELECT block FROM clusters WHERE presence_no = %(cluster)s)"
    " ORDER BY presence_no LIMIT %(cap)s"
)
_HELD = (
    "SELECT i.presence_no, i.kind, i.key FROM identifiers i"
    " JOIN identifier_values v ON v.kind = i.kind AND v.key = i.key AND NOT v.hub"
    " WHERE i.presence_no = ANY(%(nos)s) AND i.ended_at IS NULL ORDER BY i.kind, i.key, i.presence_no"
)
_DIVISIONS = (
    "SELECT DISTINCT ON (r.code) r.code, r.name, o.code, o.name FROM regions r"
    " LEFT JOIN organisations o ON o.region_code = r.code AND o.kind = 'bureau'"
    " WHERE r.code = ANY(%(codes)s) ORDER BY r.code, o.code"
)


def _region(claims: Claims) -> str:
    """Pattern of the divisions the caller may see (digits, then the wildcard)."""
    return region_prefix(claims.region) + "%"


async def shop(session: AsyncSession, claims: Claims, shop_id: str) -> ShopRow | None:
    """The shop when the caller may see it."""
    given = {"id": shop_id, "region": _region(claims), "cap": CLUSTER_CAP + 1}
    rows = await run(session, _SHOP, given)
    return ShopRow(*rows[0]) if rows else None


async def values(session: AsyncSession, nos: Sequence[int]) -> list[Held]:
    """All identifiers of these shops, ended ones too, with what the linking decided about each value."""
    return [Held(*row) for row in await run(session, _VALUES, {"nos": list(nos)})]


async def around(session: AsyncSession, no: int) -> list[AroundRow]:
    """What leads from a shop to others; not scoped."""
    rows = await run(session, _AROUND, {"no": no, "cap": NEIGHBOURS})
    return [AroundRow(*row) for row in rows]


async def shops(session: AsyncSession, claims: Claims, nos: Sequence[int]) -> list[NeighbourRow]:
    """These shops; names only where the caller may see."""
    given = {"nos": list(nos), "region": _region(claims)}
    return [NeighbourRow(*row) for row in await run(session, _SHOPS, given)]


async def members(session: AsyncSession, cluster: int) -> list[int]:
    """Numbers of the shops of a cluster, one more than the cap at most; not scoped."""
    rows = await run(session, _MEMBERS, {"cluster": cluster, "cap": CLUSTER_CAP + 1})
    return [row[0] for row in rows]


async def held(session: AsyncSession, nos: Sequence[int]) -> list[tuple[int, int, int]]:
    """(shop, kind, key) of the values of these shops that may link; not scoped."""
    return [(row[0], row[1], row[2]) for row in await run(session, _HELD, {"nos": list(nos)})]


async def divisions(session: AsyncSession, codes: Sequence[str]) -> dict[str, DivisionRow]:
    """Name of each division and the bureau that answers for it, by code; the directory is not secret."""
    rows = await run(session, _DIVISIONS, {"codes": list(codes)})
    return {row[0]: DivisionRow(*row) for row in rows}
