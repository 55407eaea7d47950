"""SQL of the exchange of links. An exchange belongs to the authority that made it; rows scoped by region."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.identity import Claims
from services.common.scope import region_filter, region_prefix
from services.registry.exchange.models import (
    Exchange,
    ExchangeComparison,
    ExchangeMatch,
    ExchangeMessage,
    ExchangeRef,
    ExchangeRequest,
)
from services.registry.exchange.rules import ComparisonState
from services.registry.identifiers.models import Identifier
from services.registry.presences.models import Presence

# Shops by number, so that a part goes on where the one before ended; values that are hubs say nothing.
_VALUES = text(
    "SELECT i.presence_no, i.kind, i.key, i.value FROM presences p"
    " JOIN identifiers i ON i.presence_no = p.no AND i.ended_at IS NULL"
    " LEFT JOIN identifier_values v ON v.kind = i.kind AND v.key = i.key"
    " WHERE p.no > :after AND p.no <= :until AND p.region_code LIKE :prefix AND p.merged_into IS NULL"
    " AND NOT coalesce(v.hub, false)"
    " ORDER BY i.presence_no, i.kind, i.key"
)
_UNTIL = text(
    "SELECT max(no), count(*) FROM (SELECT no FROM presences WHERE no > :after AND region_code LIKE :prefix"
    " AND merged_into IS NULL ORDER BY no LIMIT :shops) AS next"
)

_SHOPS = text("SELECT count(*) FROM presences WHERE region_code LIKE :prefix AND merged_into IS NULL")


async def add(session: AsyncSession, row: Any) -> None:
    """Insert an exchange, a message or a request."""
    session.add(row)
    await session.flush()


async def page(session: AsyncSession, claims: Claims, after: str | None, limit: int) -> list[Exchange]:
    """Exchanges of the caller's region, newest first, one more than the page."""
    statement = select(Exchange).where(region_filter(Exchange.region_code, claims))
    if after is not None:
        statement = statement.where(Exchange.id < after)
    return list((await session.scalars(statement.order_by(Exchange.id.desc()).limit(limit + 1))).all())


async def visible(
    session: AsyncSession, claims: Claims, exchange_id: str, *, hold: bool = False
) -> Exchange | None:
    """The exchange when it is of the caller's region; `hold` keeps it until the transaction ends."""
    statement = select(Exchange).where(
        Exchange.id == exchange_id, region_filter(Exchange.region_code, claims)
    )
    if hold:
        statement = statement.with_for_update()
    return (await session.scalars(statement)).one_or_none()


async def exists(session: AsyncSession, exchange_id: str) -> bool:
    """Whether there is an exchange of this id, whosever it is."""
    return (await session.scalar(select(Exchange.id).where(Exchange.id == exchange_id))) is not None


async def messages(session: AsyncSession, exchange_id: str) -> list[ExchangeMessage]:
    """All messages of an exchange in order."""
    statement = select(ExchangeMessage).where(ExchangeMessage.exchange_id == exchange_id)
    return list((await session.scalars(statement.order_by(ExchangeMessage.id))).all())


async def message(
    session: AsyncSession, exchange_id: str, direction: str, digest: str
) -> ExchangeMessage | None:
    """The message with this digest, when it is on record."""
    statement = select(ExchangeMessage).where(
        ExchangeMessage.exchange_id == exchange_id,
        ExchangeMessage.direction == direction,
        ExchangeMessage.digest == digest,
    )
    return (await session.scalars(statement)).one_or_none()


async def set_receipt(session: AsyncSession, message_id: int, receipt: Mapping[str, Any]) -> None:
    """Keep the receipt of a message."""
    statement = update(ExchangeMessage).where(ExchangeMessage.id == message_id).values(receipt=dict(receipt))
    await session.execute(statement)


async def next_shops(session: AsyncSession, region: str, after: int, shops: int) -> tuple[int, int] | None:
    """Number of the last of the next `shops` shops after `after`, and how many these are; None at the end."""
    given = {"after": after, "prefix": region_prefix(region) + "%", "shops": shops}
    last, count = (await session.execute(_UNTIL, given)).one()
    return None if last is None else (last, count)


async def shop_count(session: AsyncSession, region: str) -> int:
    """How many shops a region has."""
    return int((await session.execute(_SHOPS, {"prefix": region_prefix(region) + "%"})).scalar_one())


async def values_of_region(session: AsyncSession, region: str, after: int, until: int) -> list[Any]:
    """(presence_no, kind, key, sealed value) that may link, of a region's shops numbered (after, until]."""
    given = {"after": after, "until": until, "prefix": region_prefix(region) + "%"}
    return list((await session.execute(_VALUES, given)).all())


async def comparisons(session: AsyncSession, exchange_id: str) -> dict[int, ExchangeComparison]:
    """The comparisons of an exchange by the number of their message."""
    statement = select(ExchangeComparison).where(ExchangeComparison.exchange_id == exchange_id)
    return {one.message_id: one for one in await session.scalars(statement)}


async def comparison(session: AsyncSession, exchange_id: str, message_id: int) -> ExchangeComparison | None:
    """One comparison of an exchange, held until the transaction ends."""
    statement = select(ExchangeComparison).where(
        ExchangeComparison.message_id == message_id, ExchangeComparison.exchange_id == exchange_id
    )
    return (await session.scalars(statement.with_for_update())).one_or_none()


async def open_together(session: AsyncSession, most: int) -> list[ExchangeComparison]:
    """The oldest open comparison nobody works at, and those of its exchange that are as far; held."""
    statement = select(ExchangeComparison).where(ExchangeComparison.state == ComparisonState.OPEN)
    statement = statement.order_by(ExchangeComparison.message_id).with_for_update(skip_locked=True)
    first = (await session.scalars(statement.limit(1))).one_or_none()
    if first is None:
        return []
    alike = statement.where(
        ExchangeComparison.exchange_id == first.exchange_id,
        ExchangeComparison.compared_no == first.compared_no,
    )
    return list((await session.scalars(alike.limit(most))).all())


async def stop_comparisons(session: AsyncSession, exchange_id: str) -> None:
    """Give up what is still compared of an exchange; the hashes are forgotten, matches stay."""
    await session.execute(
        update(ExchangeComparison)
        .where(
            ExchangeComparison.exchange_id == exchange_id, ExchangeComparison.state == ComparisonState.OPEN
        )
        .values(state=ComparisonState.STOPPED.value, hashes=b"")
    )


async def matched_shops(session: AsyncSession, exchange_id: str) -> list[int]:
    """Numbers of our shops that have matches in an exchange."""
    statement = select(ExchangeMatch.presence_no).where(ExchangeMatch.exchange_id == exchange_id)
    return list((await session.scalars(statement.distinct().order_by(ExchangeMatch.presence_no))).all())


async def keep_refs(session: AsyncSession, exchange_id: str, refs: Mapping[str, int]) -> None:
    """Remember which shops our references stand for."""
    rows = [{"exchange_id": exchange_id, "ref": ref, "presence_no": no} for ref, no in refs.items()]
    if rows:
        await session.execute(insert(ExchangeRef).on_conflict_do_nothing(), rows)


async def shops_of_refs(
    session: AsyncSession, claims: Claims, exchange_id: str, refs: Iterable[str]
) -> dict[str, Any]:
    """Our shops behind references we gave out, by reference; those of the caller's region only."""
    statement = (
        select(ExchangeRef.ref, Presence.no, Presence.id, Presence.name, Presence.platform, Presence.url)
        .join(Presence, Presence.no == ExchangeRef.presence_no)
        .where(
            ExchangeRef.exchange_id == exchange_id,
            ExchangeRef.ref.in_(list(refs)),
            region_filter(Presence.region_code, claims),
        )
    )
    return {row.ref: row for row in await session.execute(statement)}


async def values_of_shops(session: AsyncSession, nos: Sequence[int]) -> list[Identifier]:
    """The values these shops hold now."""
    statement = select(Identifier).where(Identifier.presence_no.in_(nos), Identifier.ended_at.is_(None))
    return list((await session.scalars(statement)).all())


async def keep_matches(session: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> int:
    """Keep matches; gives how many are new."""
    if not rows:
        return 0
    statement = insert(ExchangeMatch).on_conflict_do_nothing().returning(ExchangeMatch.id)
    return len((await session.execute(statement, [dict(row) for row in rows])).all())


async def match_count(session: AsyncSession, exchange_id: str) -> int:
    """Number of matches of an exchange."""
    statement = select(func.count()).where(ExchangeMatch.exchange_id == exchange_id)
    return int((await session.execute(statement)).scalar_one())


async def matches(
    session: AsyncSession, claims: Claims, exchange_id: str, after: int | None, limit: int
) -> list[Any]:
    """Rows (match, shop id, shop name) of the caller's shops, newest first, one more than the page."""
    statement = (
        select(ExchangeMatch, Presence.id.label("shop_id"), Presence.name.label("shop_name"))
        .join(Presence, Presence.no == ExchangeMatch.presence_no)
        .where(ExchangeMatch.exchange_id == exchange_id, region_filter(Presence.region_code, claims))
        .order_by(ExchangeMatch.id.desc())
        .limit(limit + 1)
    )
    if after is not None:
        statement = statement.where(ExchangeMatch.id < after)
    return list((await session.execute(statement)).all())


async def matches_by_id(
    session: AsyncSession, claims: Claims, exchange_id: str, ids: Sequence[int]
) -> list[ExchangeMatch]:
    """Those matches of an exchange whose shop is the caller's to see."""
    statement = (
        select(ExchangeMatch)
        .join(Presence, Presence.no == ExchangeMatch.presence_no)
        .where(
            ExchangeMatch.exchange_id == exchange_id,
            ExchangeMatch.id.in_(list(ids)),
            region_filter(Presence.region_code, claims),
        )
    )
    return list((await session.scalars(statement)).all())


async def requests(session: AsyncSession, exchange_id: str) -> list[ExchangeRequest]:
    """All requests of an exchange, newest first."""
    statement = select(ExchangeRequest).where(ExchangeRequest.exchange_id == exchange_id)
    return list((await session.scalars(statement.order_by(ExchangeRequest.id.desc()))).all())


async def request(
    session: AsyncSession, exchange_id: str, request_id: str, direction: str
) -> ExchangeRequest | None:
    """One request, held until the transaction ends."""
    statement = (
        select(ExchangeRequest)
        .where(
            ExchangeRequest.id == request_id,
            ExchangeRequest.exchange_id == exchange_id,
            ExchangeRequest.direction == direction,
        )
        .with_for_update()
    )
    return (await session.scalars(statement)).one_or_none()
