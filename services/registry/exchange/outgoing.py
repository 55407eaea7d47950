"""What leaves an exchange: hashes in parts, messages again, and the list of matches."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.common.audit import record
from services.common.identity import Claims
from services.common.paging import Page, decode_cursor, encode_cursor, invalid_cursor
from services.common.personal import PersonalData
from services.common.problems import not_found
from services.common.settings import Settings
from services.registry.exchange import comparing, post, repository
from services.registry.exchange.models import Exchange
from services.registry.exchange.rules import Type
from services.registry.exchange.schemas import MatchOut, SentOut
from services.registry.identifiers.kinds import KIND_LABELS, Kind


async def hashes(
    session: AsyncSession,
    settings: Settings,
    personal: PersonalData,
    claims: Claims,
    exchange_id: str,
    after: int,
) -> SentOut:
    """The next part of our values as keyed hashes in a signed envelope; `next_after` says where to go on.

    Raises 404, and 409 unless the exchange is agreed and not over.
    """
    exchange = await _found(session, claims, exchange_id)
    part = await comparing.our_hashes(session, personal, exchange, after)
    await repository.keep_refs(session, exchange.id, part.refs)
    body: dict[str, Any] = {"after": after, "last": part.next_after is None, "rows": part.rows}
    envelope, digest = await post.send(session, settings, claims, exchange, Type.HASHES, body)
    await record(
        session,
        claims,
        event="exchange.hashes_sent",
        object_type="link_exchange",
        object_id=exchange_id,
        after={"rows": len(part.rows), "shops": len(part.refs), "digest": digest[:16]},
    )
    return SentOut(
        exchange_id=exchange_id,
        type=Type.HASHES,
        digest=digest,
        envelope=envelope,
        rows=len(part.rows),
        next_after=part.next_after,
    )


async def message(session: AsyncSession, claims: Claims, exchange_id: str, message_id: int) -> SentOut:
    """A message of ours as it was signed, or the receipt we gave for one that came in. Raises 404."""
    await _found(session, claims, exchange_id)
    rows = await repository.messages(session, exchange_id)
    row = next((one for one in rows if one.id == message_id), None)
    envelope = (row.envelope if row.direction == "out" else row.receipt) if row else None
    if row is None or envelope is None:
        raise not_found("报文", "message")
    kind = row.type if row.direction == "out" else Type.RECEIPT.value
    return SentOut(exchange_id=exchange_id, type=kind, digest=row.digest, envelope=envelope)


async def matches(
    session: AsyncSession, claims: Claims, exchange_id: str, cursor: str | None, limit: int
) -> Page[MatchOut]:
    """Matches of an exchange whose shops the caller may see, newest first."""
    await _found(session, claims, exchange_id)
    after = decode_cursor(cursor)[0] if cursor else None
    if after is not None and not isinstance(after, int):
        raise invalid_cursor()
    rows = await repository.matches(session, claims, exchange_id, after, limit)
    shown, more = rows[:limit], len(rows) > limit
    return Page(
        items=[_match(row) for row in shown],
        next_cursor=encode_cursor([shown[-1].ExchangeMatch.id]) if more else None,
    )


def _match(row: Any) -> MatchOut:
    found = row.ExchangeMatch
    zh, en = KIND_LABELS[Kind(found.kind)]
    return MatchOut(
        id=found.id,
        kind=found.kind,
        kind_zh=zh,
        kind_en=en,
        shop_id=row.shop_id,
        shop_name=row.shop_name,
        ref=found.ref,
        at=found.at,
    )


async def _found(session: AsyncSession, claims: Claims, exchange_id: str) -> Exchange:
    exchange = await repository.visible(session, claims, exchange_id, hold=True)
    if exchange is None:
        raise not_found("比对", "exchange")
    return exchange
