"""SQL of hubs. A value is seen by those in whose region a shop holds it; names of shops outside are not."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.database import run
from services.common.identity import Claims
from services.common.scope import region_filter, region_prefix
from services.registry.hubs.models import HubRuling
from services.registry.hubs.rules import Ruling
from services.registry.hubs.schemas import HubQuery
from services.registry.identifiers.models import Identifier
from services.registry.linking.models import IdentifierValue, LinkChange
from services.registry.linking.rules import Code
from services.registry.presences.models import Presence

HERE_CAP: Final = 1_000
SHOPS_SHOWN: Final = 50
_REGIONS = text(
    "SELECT DISTINCT p.region_code FROM identifiers i JOIN presences p ON p.no = i.presence_no"
    " WHERE i.kind = :kind AND i.key = :key AND i.ended_at IS NULL"
)


_HERE = (
    "SELECT g.kind, g.key, n.count, f.presence_no, f.value"
    " FROM unnest(%(kinds)s::smallint[], %(keys)s::bigint[]) AS g(kind, key)"
    " CROSS JOIN LATERAL (SELECT count(*) FROM (SELECT FROM identifiers i"
    " JOIN presences p ON p.no = i.presence_no AND p.region_code LIKE %(region)s"
    " WHERE i.kind = g.kind AND i.key = g.key AND i.ended_at IS NULL LIMIT %(cap)s) AS held) AS n"
    " CROSS JOIN LATERAL (SELECT i.presence_no, i.value FROM identifiers i"
    " JOIN presences p ON p.no = i.presence_no AND p.region_code LIKE %(region)s"
    " WHERE i.kind = g.kind AND i.key = g.key AND i.ended_at IS NULL"
    " ORDER BY i.presence_no LIMIT 1) AS f"
)


class Here(NamedTuple):
    """How many shops of the caller's region hold a value, to one more than the cap, and the first of them."""

    shops: int
    no: int
    sealed: bytes


async def here(
    session: AsyncSession, claims: Claims, values: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], Here]:
    """How these values are held in the caller's region; a value nobody holds there is left out."""
    given = {
        "kinds": [kind for kind, _ in values],
        "keys": [key for _, key in values],
        "region": region_prefix(claims.region) + "%",
        "cap": HERE_CAP + 1,
    }
    rows = await run(session, _HERE, given)
    return {(row[0], row[1]): Here(*row[2:]) for row in rows}


async def rulings(session: AsyncSession) -> dict[tuple[int, int], bool]:
    """What officers ruled and still holds, by (kind, key): True a hub, False none. For the linking itself."""
    statement = select(HubRuling.kind, HubRuling.key, HubRuling.ruling).where(
        HubRuling.live, HubRuling.ruling != Ruling.WITHDRAWN.value
    )
    rows = await session.execute(statement)
    return {(row.kind, row.key): row.ruling == Ruling.HUB.value for row in rows}


def _held_here(claims: Claims) -> Any:
    """The live identifiers of the caller's shops that hold the value of the outer row."""
    return (
        select(Identifier.presence_no)
        .join(Presence, Presence.no == Identifier.presence_no)
        .where(
            Identifier.kind == IdentifierValue.kind,
            Identifier.key == IdentifierValue.key,
            Identifier.ended_at.is_(None),
            region_filter(Presence.region_code, claims),
        )
        .correlate(IdentifierValue)
    )


def _no_bridge() -> Any:
    """A value of few shops that was cut as a weak bridge is no hub to an officer."""
    return IdentifierValue.reason["code"].astext != Code.BRIDGE.value


async def changes(session: AsyncSession, kind: int, key: int) -> list[LinkChange]:
    """When the value began or ceased to be a hub, newest first (the last fifty times)."""
    statement = select(LinkChange).where(LinkChange.kind == kind, LinkChange.key == key)
    return list((await session.scalars(statement.order_by(LinkChange.id.desc()).limit(50))).all())


async def page(session: AsyncSession, claims: Claims, query: HubQuery) -> list[IdentifierValue]:
    """Hubs some shop of the caller's region holds, the largest first, one more than the page."""
    order = (IdentifierValue.holders, IdentifierValue.kind, IdentifierValue.key)
    statement = (
        select(IdentifierValue)
        .where(IdentifierValue.hub, _no_bridge(), _held_here(claims).exists())
        .order_by(*(column.desc() for column in order))
        .limit(query.limit + 1)
    )
    if query.kind is not None:
        statement = statement.where(IdentifierValue.kind == int(query.kind))
    if query.after is not None:
        holders, kind, key = query.after
        before = (
            (order[0] < holders)
            | ((order[0] == holders) & (order[1] < kind))
            | ((order[0] == holders) & (order[1] == kind) & (order[2] < key))
        )
        statement = statement.where(before)
    return list((await session.scalars(statement)).all())


async def holders_here(session: AsyncSession, claims: Claims, kind: int, key: int, limit: int) -> list[Any]:
    """Up to `limit` rows (shop, its sealed raw form, first and last seen) of the caller's region."""
    statement = (
        select(
            Presence.no,
            Presence.id,
            Presence.name,
            Presence.platform,
            Presence.region_code,
            Identifier.value,
            Identifier.first_seen,
            Identifier.last_seen,
        )
        .join(Identifier, Identifier.presence_no == Presence.no)
        .where(
            Identifier.kind == kind,
            Identifier.key == key,
            Identifier.ended_at.is_(None),
            region_filter(Presence.region_code, claims),
        )
        .order_by(Presence.no)
        .limit(limit)
    )
    return list((await session.execute(statement)).all())


async def value(session: AsyncSession, kind: int, key: int) -> IdentifierValue | None:
    """What the linking decided about a value."""
    return await session.get(IdentifierValue, (kind, key))


async def regions(session: AsyncSession, kind: int, key: int) -> list[str]:
    """The divisions in which a shop holds the value: who may rule on it depends on all of them."""
    return list((await session.scalars(_REGIONS, {"kind": kind, "key": key})).all())


async def rulings_of(session: AsyncSession, kind: int, key: int) -> list[HubRuling]:
    """All rulings on a value, newest first."""
    statement = select(HubRuling).where(HubRuling.kind == kind, HubRuling.key == key)
    return list((await session.scalars(statement.order_by(HubRuling.id.desc()))).all())


async def ruled(session: AsyncSession, values: Sequence[tuple[int, int]]) -> dict[tuple[int, int], str]:
    """The ruling that holds, by value; those withdrawn left out."""
    statement = select(HubRuling.kind, HubRuling.key, HubRuling.ruling).where(
        HubRuling.live,
        HubRuling.ruling != Ruling.WITHDRAWN.value,
        HubRuling.key.in_([key for _, key in values]),
    )
    return {(row.kind, row.key): row.ruling for row in await session.execute(statement)}


async def add_ruling(session: AsyncSession, ruling: HubRuling) -> None:
    """Enter a ruling; the one that counted until now ends and stays on record.

    Two at the same moment: the second finds the value taken (IntegrityError).
    """
    ended = (
        update(HubRuling)
        .where(HubRuling.live, HubRuling.kind == ruling.kind, HubRuling.key == ruling.key)
        .values(live=False)
        .execution_options(synchronize_session=False)
    )
    await session.execute(ended)
    session.add(ruling)
    await session.flush()
