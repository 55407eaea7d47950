"""SQL of links. Of shops outside the caller's region only the division leaves this module.

Plain statements, no objects: one page of a shop is to take less than 5 ms at ten million shops.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import and_, case, func, null, select, text, true
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from services.common.identity import Claims
from services.common.scope import region_filter
from services.registry.linking.models import Cluster
from services.registry.presences.models import Presence

NEIGHBOURS: Final = 2_000
CLUSTER_CAP: Final = 1_000

_VALUES = text(
    "SELECT i.presence_no, i.kind, i.key, i.value, i.source, i.first_seen, i.last_seen, i.ended_at,"
    " coalesce(v.holders, (SELECT count(*) FROM identifiers o WHERE o.kind = i.kind AND o.key = i.key"
    " AND o.ended_at IS NULL)) AS holders, coalesce(v.hub, false) AS hub, v.reason, v.decided_at"
    " FROM identifiers i LEFT JOIN identifier_values v ON v.kind = i.kind AND v.key = i.key"
    " WHERE i.presence_no = ANY(:nos) ORDER BY i.presence_no, i.kind, i.key"
)
# All that leads from one shop to others, in one statement: shared values that may link, values one of the two
# no longer shows (one index for each half), and what officers judged.
_AROUND = text(
    "(SELECT o.presence_no AS no, i.kind, i.key, CAST(NULL AS timestamptz) AS ended_at,"
    " CAST(NULL AS varchar) AS verdict FROM identifiers i"
    " JOIN identifier_values v ON v.kind = i.kind AND v.key = i.key AND NOT v.hub"
    " JOIN identifiers o ON o.kind = i.kind AND o.key = i.key AND o.ended_at IS NULL"
    " AND o.presence_no <> i.presence_no"
    " WHERE i.presence_no = :no AND i.ended_at IS NULL LIMIT :cap)"
    " UNION ALL"
    " (SELECT o.presence_no, i.kind, i.key, i.ended_at, NULL FROM identifiers i"
    " JOIN identifiers o ON o.kind = i.kind AND o.key = i.key AND o.ended_at IS NULL"
    " LEFT JOIN identifier_values v ON v.kind = i.kind AND v.key = i.key"
    " WHERE i.presence_no = :no AND i.ended_at IS NOT NULL AND o.presence_no <> :no"
    " AND NOT coalesce(v.hub, false) LIMIT :cap)"
    " UNION ALL"
    " (SELECT o.presence_no, i.kind, i.key, least(i.ended_at, o.ended_at), NULL FROM identifiers i"
    " JOIN identifiers o ON o.kind = i.kind AND o.key = i.key AND o.ended_at IS NOT NULL"
    " LEFT JOIN identifier_values v ON v.kind = i.kind AND v.key = i.key"
    " WHERE i.presence_no = :no AND o.presence_no <> :no AND NOT coalesce(v.hub, false) LIMIT :cap)"
    " UNION ALL"
    " SELECT CASE WHEN shop_a = :no THEN shop_b ELSE shop_a END, NULL, NULL, NULL, verdict FROM judgements"
    " WHERE live AND verdict IN ('same', 'different') AND (shop_a = :no OR shop_b = :no)"
)
_MEMBERS = text("SELECT presence_no FROM clusters WHERE cluster = :cluster ORDER BY presence_no LIMIT :cap")
_HELD = text(
    "SELECT i.presence_no AS no, i.kind, i.key FROM identifiers i"
    " JOIN identifier_values v ON v.kind = i.kind AND v.key = i.key AND NOT v.hub AND v.holders > 1"
    " WHERE i.presence_no = ANY(:nos) AND i.ended_at IS NULL ORDER BY i.kind, i.key, i.presence_no"
)

_DIVISIONS = text(
    "SELECT DISTINCT ON (r.code) r.code, r.name, o.code AS org_code, o.name AS org_name FROM regions r"
    " LEFT JOIN organisations o ON o.region_code = r.code AND o.kind = 'bureau'"
    " WHERE r.code = ANY(:codes) ORDER BY r.code, o.code"
)


async def shop(session: AsyncSession, claims: Claims, shop_id: str) -> Any:
    """(no, id, name, platform, region_code, cluster, size) of a shop the caller may see; None else.

    size: shops of its cluster, counted to one more than the cap.
    """
    other = aliased(Cluster)
    company = select(1).where(other.cluster == Cluster.cluster).limit(CLUSTER_CAP + 1)
    size = select(func.count()).select_from(company.correlate(Cluster).subquery().lateral())
    statement = (
        select(
            Presence.no,
            Presence.id,
            Presence.name,
            Presence.platform,
            Presence.region_code,
            Cluster.cluster,
            size.scalar_subquery().label("size"),
        )
        .outerjoin(Cluster, Cluster.presence_no == Presence.no)
        .where(Presence.id == shop_id, region_filter(Presence.region_code, claims))
    )
    return (await session.execute(statement)).one_or_none()


async def values(session: AsyncSession, nos: Sequence[int]) -> list[Any]:
    """All identifiers of these shops, ended ones too, with what the linking decided about each value."""
    return list((await session.execute(_VALUES, {"nos": list(nos)})).all())


async def around(session: AsyncSession, no: int) -> list[Any]:
    """What leads from a shop to others: (other, kind, key) of values that may link; with `ended_at` those of
    values one of the two no longer shows; (other, verdict) of judgements. Not scoped.
    """
    return list((await session.execute(_AROUND, {"no": no, "cap": NEIGHBOURS})).all())


async def shops(session: AsyncSession, claims: Claims, nos: Sequence[int]) -> list[Any]:
    """(no, region_code, seen, id, name, platform, cluster); names only where the caller may see."""
    seen = and_(region_filter(Presence.region_code, claims), true())
    statement = (
        select(
            Presence.no,
            Presence.region_code,
            seen.label("seen"),
            case((seen, Presence.id), else_=null()).label("id"),
            case((seen, Presence.name), else_=null()).label("name"),
            case((seen, Presence.platform), else_=null()).label("platform"),
            Cluster.cluster,
        )
        .outerjoin(Cluster, Cluster.presence_no == Presence.no)
        .where(Presence.no.in_(list(nos)), Presence.merged_into.is_(None))
    )
    return list((await session.execute(statement)).all())


async def members(session: AsyncSession, cluster: int) -> list[int]:
    """Numbers of the shops of a cluster, one more than the cap at most; not scoped."""
    return list((await session.scalars(_MEMBERS, {"cluster": cluster, "cap": CLUSTER_CAP + 1})).all())


async def held(session: AsyncSession, nos: Sequence[int]) -> list[Any]:
    """(shop, kind, key) of the values of these shops that may link; not scoped."""
    return list((await session.execute(_HELD, {"nos": list(nos)})).all())


async def divisions(session: AsyncSession, codes: Sequence[str]) -> dict[str, Any]:
    """Name of each division and the bureau that answers for it, by code; the directory is not secret."""
    rows = await session.execute(_DIVISIONS, {"codes": list(codes)})
    return {row.code: row for row in rows}
