"""Plain values between regions: asked for with a purpose, granted or refused by the owner, sent sealed."""

import binascii
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.common.audit import record
from services.common.clock import utc_now
from services.common.identity import Claims
from services.common.ids import new_id
from services.common.personal import PersonalData, PersonalDataError
from services.common.problems import not_found
from services.common.settings import Settings
from services.registry.exchange import comparing, faults, post, repository
from services.registry.exchange.agreement import open_answer, seal_answer
from services.registry.exchange.models import Exchange, ExchangeRequest
from services.registry.exchange.rules import Message, RequestState, Type, asked_rows
from services.registry.exchange.schemas import (
    AnswerIn,
    AnswerLookIn,
    AnswerShop,
    RequestIn,
    RevealedOut,
    SentOut,
)


def instant(given: Any) -> datetime:
    """A moment in a message (RFC 3339). Raises 422 `exchange.untrusted`."""
    try:
        moment = datetime.fromisoformat(str(given))
    except ValueError as error:
        raise faults.untrusted("no moment") from error
    if moment.tzinfo is None:
        raise faults.untrusted("a moment without a zone")
    return moment


async def ask(
    session: AsyncSession,
    settings: Settings,
    personal: PersonalData,
    claims: Claims,
    exchange: Exchange,
    given: RequestIn,
) -> SentOut:
    """Ask the owning region for the plain values behind matches of ours, for a purpose."""
    comparing.secrets_of(personal, exchange)
    matches = await repository.matches_by_id(session, claims, exchange.id, given.matches)
    if len(matches) != len(set(given.matches)):
        raise not_found("比对结果", "match")
    rows = sorted({(one.kind, one.ref) for one in matches})
    request_id = new_id()
    body = {"request_id": request_id, "purpose": given.purpose, "officer": claims.name, "rows": rows}
    request = _request(exchange, request_id, "out", given.purpose, rows, claims.name)
    await repository.add(session, request)
    envelope, digest = await post.send(session, settings, claims, exchange, Type.REQUEST, body)
    await record(
        session,
        claims,
        event="exchange.values_requested",
        object_type="link_exchange",
        object_id=exchange.id,
        after={"request": request_id, "purpose": given.purpose, "count": len(rows)},
    )
    return SentOut(
        exchange_id=exchange.id, type=Type.REQUEST, digest=digest, envelope=envelope, rows=len(rows)
    )


async def take_request(session: AsyncSession, exchange: Exchange, message: Message) -> None:
    """Put the other region's request before our officers; nothing is answered by itself."""
    body = message.body
    try:
        rows, purpose = asked_rows(body), str(body["purpose"]).strip()
        request_id, officer = str(body["request_id"]), str(body["officer"])
    except (KeyError, TypeError, ValueError) as error:
        raise faults.untrusted("a request of another shape") from error
    if not purpose or len(request_id) != 26 or not request_id.isalnum():
        raise faults.untrusted("a request without purpose or number")
    if await repository.request(session, exchange.id, request_id, "in") is not None:
        raise faults.untrusted("a request of a number already used")
    request = _request(exchange, request_id, "in", purpose[:500], rows, f"{message.sender.name} {officer}")
    await repository.add(session, request)


async def answer(
    session: AsyncSession,
    settings: Settings,
    personal: PersonalData,
    claims: Claims,
    exchange: Exchange,
    request_id: str,
    given: AnswerIn,
) -> SentOut:
    """Grant or refuse a request; what is granted leaves sealed, and who granted what is on record.

    Only shops that we named by reference ourselves, that the caller may see, and only values of the kind
    asked for. Raises 404, and 409 when it was answered before.
    """
    secrets = comparing.secrets_of(personal, exchange)
    request = await repository.request(session, exchange.id, request_id, "in")
    if request is None:
        raise not_found("请求", "request")
    if request.state != RequestState.OPEN:
        raise faults.wrong_state("该请求已答复", "this request has been answered")
    state = RequestState.GRANTED if given.grant else RequestState.REFUSED
    asked = [(int(kind), str(ref)) for kind, ref in request.asked]
    shops = await _shops(session, personal, claims, exchange, asked) if given.grant else []
    body: dict[str, Any] = {"request_id": request_id, "state": state.value, "reason": given.reason}
    if given.grant:
        body["sealed"] = seal_answer(secrets, shops, request_id)
    request.state, request.reason = state.value, given.reason
    request.answered_by, request.answered_at = claims.sub, utc_now()
    envelope, digest = await post.send(session, settings, claims, exchange, Type.ANSWER, body)
    await record(
        session,
        claims,
        event=f"exchange.values_{state.value}",
        object_type="link_exchange",
        object_id=exchange.id,
        after={"request": request_id, "purpose": request.purpose, "shops": len(shops)},
    )
    return SentOut(
        exchange_id=exchange.id, type=Type.ANSWER, digest=digest, envelope=envelope, rows=len(shops)
    )


async def _shops(
    session: AsyncSession,
    personal: PersonalData,
    claims: Claims,
    exchange: Exchange,
    asked: Sequence[tuple[int, str]],
) -> list[dict[str, Any]]:
    wanted: dict[str, set[int]] = {}
    for kind, ref in asked:
        wanted.setdefault(ref, set()).add(kind)
    shops = await repository.shops_of_refs(session, claims, exchange.id, wanted)
    held = await repository.values_of_shops(session, [shop.no for shop in shops.values()])
    found = []
    for ref, shop in sorted(shops.items()):
        mine = [one for one in held if one.presence_no == shop.no and one.kind in wanted[ref]]
        values = [{"kind": one.kind, "raw": raw} for one in mine for raw in _raw(personal, one)]
        found.append(
            {"ref": ref, "name": shop.name, "platform": shop.platform, "url": shop.url, "values": values}
        )
    return found


def _raw(personal: PersonalData, identifier: Any) -> Iterable[str]:
    try:
        return personal.open(bytes(identifier.value), str(identifier.presence_no)).values()
    except PersonalDataError:
        return ()


async def take_answer(
    session: AsyncSession, personal: PersonalData, exchange: Exchange, message: Message
) -> None:
    """Keep the answer to a request of ours, sealed for our own store."""
    body: Mapping[str, Any] = message.body
    request = await repository.request(session, exchange.id, str(body.get("request_id")), "out")
    if request is None or request.state != RequestState.OPEN:
        raise faults.untrusted("an answer to no open request")
    try:
        state, reason = RequestState(body["state"]), str(body["reason"])[:500]
        if state is RequestState.OPEN:
            raise ValueError("not answered")
        if state is RequestState.GRANTED:
            secrets = comparing.secrets_of(personal, exchange)
            plain = open_answer(secrets, str(body["sealed"]), request.id)
            [AnswerShop.model_validate(shop) for shop in json.loads(plain)]
            request.sealed = personal.seal({"answer": plain.decode()}, request.id)
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise faults.untrusted("an answer of another shape") from error
    request.state, request.reason = state.value, reason
    request.answered_by, request.answered_at = message.sender.name[:80], utc_now()


async def reveal(
    session: AsyncSession,
    personal: PersonalData,
    claims: Claims,
    exchange: Exchange,
    request_id: str,
    given: AnswerLookIn,
) -> RevealedOut:
    """The plain answer to a request of ours; who looked, and for what, is on record."""
    request = await repository.request(session, exchange.id, request_id, "out")
    if request is None or request.sealed is None:
        raise not_found("答复", "answer")
    shops = json.loads(personal.open(bytes(request.sealed), request.id)["answer"])
    await record(
        session,
        claims,
        event="exchange.values_revealed",
        object_type="link_exchange",
        object_id=exchange.id,
        after={"request": request_id, "purpose": given.purpose},
    )
    return RevealedOut(request_id=request_id, shops=[AnswerShop.model_validate(shop) for shop in shops])


def _request(
    exchange: Exchange,
    request_id: str,
    direction: str,
    purpose: str,
    rows: Sequence[tuple[int, str]],
    officer: str,
) -> ExchangeRequest:
    return ExchangeRequest(
        id=request_id,
        exchange_id=exchange.id,
        direction=direction,
        state=RequestState.OPEN.value,
        purpose=purpose,
        asked=[list(row) for row in rows],
        asked_by=officer[:80],
        asked_at=utc_now(),
        reason="",
    )
