"""Use cases of the exchange of links: offering, accepting, taking messages in, ending."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.common.audit import record
from services.common.clock import rfc3339, utc_now
from services.common.identity import Claims
from services.common.ids import new_id
from services.common.paging import Page, encode_cursor
from services.common.personal import PersonalData
from services.common.problems import not_found
from services.common.settings import Settings
from services.registry.exchange import answering, comparing, faults, post, repository
from services.registry.exchange.agreement import Secrets, agree, new_private, public_of
from services.registry.exchange.models import Exchange, ExchangeComparison, ExchangeMessage
from services.registry.exchange.rules import (
    COMPARISON_LABELS,
    REQUEST_LABELS,
    STATE_LABELS,
    TAKEN_IN,
    ComparisonState,
    ExchangeState,
    RequestState,
    Type,
    same_fingerprint,
)
from services.registry.exchange.schemas import (
    ComparisonOut,
    ExchangeDetail,
    ExchangeIn,
    ExchangeOut,
    MessageIn,
    MessageOut,
    OfferIn,
    RequestOut,
    SentOut,
    TakenOut,
)


@dataclass(frozen=True)
class Desk:
    """What every step needs: the settings (our signing key) and the keys of sealed values."""

    settings: Settings
    personal: PersonalData


async def offer(session: AsyncSession, desk: Desk, claims: Claims, given: ExchangeIn) -> SentOut:
    """Begin an exchange: a new key, and the envelope that offers its public part."""
    exchange_id, private = new_id(), new_private()
    expires = utc_now() + timedelta(days=given.days)
    exchange = _new(desk, claims, exchange_id, "offering", given.purpose, private)
    exchange.peer_name, exchange.expires_at = given.peer_name, expires
    await repository.add(session, exchange)
    body = {"public": public_of(private), "purpose": given.purpose, "expires_at": rfc3339(expires)}
    envelope, digest = await post.send(session, desk.settings, claims, exchange, Type.OFFER, body)
    await _note(session, claims, "exchange.offered", exchange_id, {"purpose": given.purpose})
    return SentOut(exchange_id=exchange_id, type=Type.OFFER, digest=digest, envelope=envelope)


async def accept(session: AsyncSession, desk: Desk, claims: Claims, given: OfferIn) -> SentOut:
    """Take another region's offer; gives the envelope with our public key.

    The officer has compared the fingerprint by telephone: the envelope names its own key, and only that call
    tells whose it is. Raises 422 `exchange.fingerprint`, `exchange.untrusted`, 409 for an exchange we have.
    """
    opened = post.unseal(given.envelope, None)
    if opened.message.type is not Type.OFFER:
        raise faults.untrusted("no offer")
    if not same_fingerprint(given.fingerprint, opened.keyid):
        raise faults.fingerprint()
    exchange_id, sender = opened.message.exchange_id, opened.message.sender
    if await repository.exists(session, exchange_id):
        return await _accepted_before(session, claims, exchange_id, opened.digest)
    body, private = opened.message.body, new_private()
    expires = answering.instant(body.get("expires_at"))
    exchange = _new(desk, claims, exchange_id, "accepting", given.purpose, private)
    exchange.peer_name, exchange.peer_region = sender.name, sender.region
    exchange.peer_key, exchange.expires_at, exchange.state = sender.key, expires, ExchangeState.AGREED.value
    exchange.sealed = _sealed(desk, exchange_id, private, _checked(private, body, exchange_id))
    await repository.add(session, exchange)
    await post.take(session, claims, exchange, opened)
    reply = {"public": public_of(private), "offer": opened.digest, "purpose": given.purpose}
    envelope, digest = await post.send(session, desk.settings, claims, exchange, Type.ACCEPTANCE, reply)
    await _note(session, claims, "exchange.accepted", exchange_id, {"peer": sender.region})
    return SentOut(exchange_id=exchange_id, type=Type.ACCEPTANCE, digest=digest, envelope=envelope)


async def take_in(
    session: AsyncSession, desk: Desk, claims: Claims, exchange_id: str, given: MessageIn
) -> TakenOut:
    """Take a message of the other region in and give its receipt; the same message gets the first receipt.

    Raises 404 for an exchange that is not ours, 409 out of order or expired, 422 for what does not check.
    """
    exchange = await found(session, claims, exchange_id, hold=True)
    opened = post.unseal(given.envelope, exchange.peer_key)
    if opened.message.exchange_id != exchange_id:
        raise faults.untrusted("a message of another exchange")
    before = await repository.message(session, exchange_id, "in", opened.digest)
    if before is not None:
        if before.type == Type.HASHES:
            await comparing.accept(session, desk.personal, exchange, before.id, opened.message.body)
        return TakenOut(exchange_id=exchange_id, type=before.type, again=True, receipt=before.receipt)
    _in_order(exchange, opened)
    row = await post.take(session, claims, exchange, opened)
    match opened.message.type:
        case Type.ACCEPTANCE:
            await _agreed(session, desk, exchange, opened, given.fingerprint)
        case Type.HASHES:
            await comparing.accept(session, desk.personal, exchange, row.id, opened.message.body)
        case Type.REQUEST:
            await answering.take_request(session, exchange, opened.message)
        case Type.ANSWER:
            await answering.take_answer(session, desk.personal, exchange, opened.message)
        case _:
            await _receipted(session, exchange, opened.message.body, given.envelope)
    receipt = None
    if opened.message.type is not Type.RECEIPT:
        receipt = await post.receipt(session, desk.settings, claims, row)
    await _note(
        session, claims, "exchange.taken_in", exchange_id, {"type": row.type, "digest": row.digest[:16]}
    )
    return TakenOut(exchange_id=exchange_id, type=row.type, again=False, receipt=receipt)


def _in_order(exchange: Exchange, opened: post.Opened) -> None:
    type_ = opened.message.type
    if type_ not in TAKEN_IN[ExchangeState(exchange.state)]:
        raise faults.wrong_state("当前阶段不接收这类报文", f"no {type_.value} is taken in at this point")
    if exchange.expires_at <= utc_now() and type_ is not Type.RECEIPT:
        raise faults.expired()


async def _agreed(
    session: AsyncSession, desk: Desk, exchange: Exchange, opened: post.Opened, fingerprint: str | None
) -> None:
    if not same_fingerprint(fingerprint or "", opened.keyid):
        raise faults.fingerprint()
    offered = [one for one in await repository.messages(session, exchange.id) if one.type == Type.OFFER]
    if not offered or opened.message.body.get("offer") != offered[0].digest:
        raise faults.untrusted("an acceptance of another offer")
    private = desk.personal.open(exchange.sealed, exchange.id)["private"]
    public = _checked(private, opened.message.body, exchange.id)
    exchange.peer_key, exchange.peer_region = opened.message.sender.key, opened.message.sender.region
    exchange.sealed = _sealed(desk, exchange.id, private, public)
    exchange.state, exchange.updated_at = ExchangeState.AGREED.value, utc_now()


def _checked(private: str, body: Mapping[str, Any], exchange_id: str) -> str:
    try:
        public = str(body["public"])
        agree(private, public, exchange_id)
    except (KeyError, ValueError) as error:
        raise faults.untrusted("no public key of X25519") from error
    return public


async def _receipted(
    session: AsyncSession, exchange: Exchange, body: Mapping[str, Any], envelope: dict[str, Any]
) -> None:
    sent = await repository.message(session, exchange.id, "out", str(body.get("digest")))
    if sent is None or sent.type != body.get("of"):
        raise faults.untrusted("a receipt for something we did not send")
    await repository.set_receipt(session, sent.id, envelope)


async def _accepted_before(session: AsyncSession, claims: Claims, exchange_id: str, digest: str) -> SentOut:
    exchange = await repository.visible(session, claims, exchange_id)
    if exchange is None or await repository.message(session, exchange_id, "in", digest) is None:
        raise faults.wrong_state("已有同一编号的比对", "there is an exchange of this number already")
    sent = next(
        one
        for one in await repository.messages(session, exchange_id)
        if one.direction == "out" and one.type == Type.ACCEPTANCE
    )
    return SentOut(exchange_id=exchange_id, type=sent.type, digest=sent.digest, envelope=sent.envelope or {})


async def close(session: AsyncSession, claims: Claims, exchange_id: str) -> None:
    """End an exchange: its secrets are destroyed, what was matched and answered stays."""
    exchange = await found(session, claims, exchange_id, hold=True)
    exchange.state, exchange.sealed, exchange.updated_at = ExchangeState.CLOSED.value, b"", utc_now()
    await repository.stop_comparisons(session, exchange_id)
    await _note(session, claims, "exchange.closed", exchange_id, {})


async def stop_comparison(
    session: AsyncSession, claims: Claims, exchange_id: str, message_id: int
) -> ComparisonOut:
    """Stop comparing hashes that came in: they are forgotten, matches stay; the same message goes on with it.

    Raises 404.
    """
    await found(session, claims, exchange_id)
    one = await repository.comparison(session, exchange_id, message_id)
    if one is None:
        raise not_found("比对", "comparison")
    if one.state == ComparisonState.OPEN:
        one.state, one.hashes = ComparisonState.STOPPED.value, b""
        await _note(session, claims, "exchange.comparison_stopped", exchange_id, {"done": one.done})
    return _comparison(one)


async def found(session: AsyncSession, claims: Claims, exchange_id: str, *, hold: bool = False) -> Exchange:
    """The exchange. Raises 404 when it is not of the caller's region."""
    exchange = await repository.visible(session, claims, exchange_id, hold=hold)
    if exchange is None:
        raise not_found("比对", "exchange")
    return exchange


def secrets_of(desk: Desk, exchange: Exchange) -> Secrets:
    """The secrets of an exchange that is agreed and not over. Raises 409."""
    return comparing.secrets_of(desk.personal, exchange)


async def list_exchanges(
    session: AsyncSession, desk: Desk, claims: Claims, after: str | None, limit: int
) -> Page[ExchangeOut]:
    """Exchanges of the caller's region, newest first."""
    rows = await repository.page(session, claims, after, limit)
    shown, more = rows[:limit], len(rows) > limit
    return Page(
        items=[_out(desk, one) for one in shown],
        next_cursor=encode_cursor([shown[-1].id]) if more else None,
    )


async def detail(session: AsyncSession, desk: Desk, claims: Claims, exchange_id: str) -> ExchangeDetail:
    """An exchange with its messages and requests."""
    exchange = await found(session, claims, exchange_id)
    messages = await repository.messages(session, exchange_id)
    requests = await repository.requests(session, exchange_id)
    compared = await repository.comparisons(session, exchange_id)
    return ExchangeDetail(
        exchange=_out(desk, exchange),
        messages=[_message(one, compared.get(one.id)) for one in messages],
        requests=[_request(one) for one in requests],
        match_count=await repository.match_count(session, exchange_id),
    )


def _comparison(one: ExchangeComparison) -> ComparisonOut:
    zh, en = COMPARISON_LABELS[ComparisonState(one.state)]
    return ComparisonOut(state=ComparisonState(one.state), zh=zh, en=en, done=one.done, shops=one.shops)


def _message(row: ExchangeMessage, compared: ExchangeComparison | None) -> MessageOut:
    return MessageOut(
        id=str(row.id),
        direction=row.direction,
        type=row.type,
        digest=row.digest,
        at=row.at,
        has_envelope=row.envelope is not None,
        receipted=row.receipt is not None,
        comparison=_comparison(compared) if compared else None,
    )


def _request(row: Any) -> RequestOut:
    zh, en = REQUEST_LABELS[RequestState(row.state)]
    return RequestOut(
        id=row.id,
        direction=row.direction,
        state=RequestState(row.state),
        zh=zh,
        en=en,
        purpose=row.purpose,
        count=len(row.asked),
        asked_by=row.asked_by,
        asked_at=row.asked_at,
        answered_at=row.answered_at,
        reason=row.reason,
    )


def _out(desk: Desk, exchange: Exchange) -> ExchangeOut:
    zh, en = STATE_LABELS[ExchangeState(exchange.state)]
    return ExchangeOut(
        id=exchange.id,
        side=exchange.side,
        state=ExchangeState(exchange.state),
        zh=zh,
        en=en,
        purpose=exchange.purpose,
        peer_name=exchange.peer_name,
        peer_region=exchange.peer_region,
        peer_fingerprint=post.fingerprint_of(exchange.peer_key),
        own_fingerprint=post.region_key(desk.settings).keyid,
        org_code=exchange.org_code,
        created_at=exchange.created_at,
        expires_at=exchange.expires_at,
        expired=exchange.expires_at <= utc_now(),
    )


def _new(desk: Desk, claims: Claims, exchange_id: str, side: str, purpose: str, private: str) -> Exchange:
    now = utc_now()
    return Exchange(
        id=exchange_id,
        side=side,
        state=ExchangeState.OFFERED.value,
        purpose=purpose,
        sealed=_sealed(desk, exchange_id, private, ""),
        org_code=claims.org,
        region_code=claims.region,
        created_by=claims.sub,
        created_at=now,
        updated_at=now,
    )


def _sealed(desk: Desk, exchange_id: str, private: str, peer_public: str) -> bytes:
    return desk.personal.seal({"private": private, "public": peer_public}, exchange_id)


async def _note(
    session: AsyncSession, claims: Claims, event: str, exchange_id: str, after: dict[str, Any]
) -> None:
    await record(
        session, claims, event=event, object_type="link_exchange", object_id=exchange_id, after=after
    )
