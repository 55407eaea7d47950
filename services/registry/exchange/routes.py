"""HTTP of the exchange of links with other regions."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from services.common.database import Session, after_commit
from services.common.identity import Claims, require
from services.common.paging import Page
from services.common.wire import Id, ListQuery
from services.registry.exchange import answering, outgoing, service
from services.registry.exchange.schemas import (
    AnswerIn,
    AnswerLookIn,
    ComparisonOut,
    ExchangeDetail,
    ExchangeIn,
    ExchangeOut,
    MatchOut,
    MessageIn,
    OfferIn,
    PartIn,
    RequestIn,
    RevealedOut,
    SentOut,
    TakenOut,
)
from services.registry.guards import Exchanger, Personal

router = APIRouter(tags=["跨区比对 link exchange"])

MessageId = Annotated[int, Path(ge=1, lt=1 << 63)]


def _desk(request: Request, personal: Personal) -> service.Desk:
    return service.Desk(request.app.state.settings, personal)


Desk = Annotated[service.Desk, Depends(_desk)]


@router.get("/link-exchange")
async def list_exchanges(
    session: Session, desk: Desk, claims: Exchanger, query: Annotated[ListQuery, Query()]
) -> Page[ExchangeOut]:
    """跨区比对 · exchanges of the caller's region, newest first."""
    return await service.list_exchanges(session, desk, claims, query.after, query.limit)


@router.post("/link-exchange", status_code=201)
async def post_offer(given: ExchangeIn, session: Session, desk: Desk, claims: Exchanger) -> SentOut:
    """发起比对 · begin an exchange; gives the signed offer to hand over."""
    return await service.offer(session, desk, claims, given)


@router.post("/link-exchange/offers", status_code=201)
async def post_acceptance(given: OfferIn, session: Session, desk: Desk, claims: Exchanger) -> SentOut:
    """接受比对 · take another region's offer; gives the signed acceptance to hand back."""
    return await service.accept(session, desk, claims, given)


@router.get("/link-exchange/{exchange_id}")
async def get_exchange(exchange_id: Id, session: Session, desk: Desk, claims: Exchanger) -> ExchangeDetail:
    """比对详情 · an exchange with its messages and requests."""
    return await service.detail(session, desk, claims, exchange_id)


@router.post("/link-exchange/{exchange_id}/messages")
async def post_message(
    request: Request, exchange_id: Id, given: MessageIn, session: Session, desk: Desk, claims: Exchanger
) -> TakenOut:
    """接收报文 · take a message in; gives the signed receipt, the same one for the same message.

    Hashes are compared in the background.
    """
    taken = await service.take_in(session, desk, claims, exchange_id, given)

    async def wake() -> None:
        request.app.state.comparisons.wake()

    after_commit(session, wake)
    return taken


@router.get("/link-exchange/{exchange_id}/messages/{message_id}")
async def get_message(exchange_id: Id, message_id: MessageId, session: Session, claims: Exchanger) -> SentOut:
    """取回报文 · a message of ours again, or the receipt for one that came in."""
    return await outgoing.message(session, claims, exchange_id, message_id)


@router.post("/link-exchange/{exchange_id}/messages/{message_id}/cancellation")
async def post_cancellation(
    exchange_id: Id, message_id: MessageId, session: Session, claims: Exchanger
) -> ComparisonOut:
    """停止比对 · stop comparing hashes that came in; taking the same message in goes on with it."""
    return await service.stop_comparison(session, claims, exchange_id, message_id)


@router.post("/link-exchange/{exchange_id}/hashes")
async def post_hashes(
    exchange_id: Id, given: PartIn, session: Session, desk: Desk, claims: Exchanger
) -> SentOut:
    """导出加密比对值 · the next part of our values as keyed hashes, signed."""
    return await outgoing.hashes(session, desk.settings, desk.personal, claims, exchange_id, given.after)


@router.get("/link-exchange/{exchange_id}/matches")
async def list_matches(
    exchange_id: Id, session: Session, claims: Exchanger, query: Annotated[ListQuery, Query()]
) -> Page[MatchOut]:
    """比对结果 · shops of ours that share a value with a shop of theirs, known by reference only."""
    return await outgoing.matches(session, claims, exchange_id, query.cursor, query.limit)


@router.post("/link-exchange/{exchange_id}/requests", status_code=201)
async def post_request(
    exchange_id: Id, given: RequestIn, session: Session, desk: Desk, claims: Exchanger
) -> SentOut:
    """请求原文 · ask the owning region for plain values, for a purpose."""
    exchange = await service.found(session, claims, exchange_id, hold=True)
    return await answering.ask(session, desk.settings, desk.personal, claims, exchange, given)


@router.post("/link-exchange/{exchange_id}/requests/{request_id}/answer")
async def post_answer(
    exchange_id: Id,
    request_id: Id,
    given: AnswerIn,
    session: Session,
    desk: Desk,
    claims: Annotated[Claims, Depends(require("registry:exchange", "registry:reveal"))],
) -> SentOut:
    """答复请求 · grant or refuse; what is granted leaves sealed for the asking region."""
    exchange = await service.found(session, claims, exchange_id, hold=True)
    return await answering.answer(session, desk.settings, desk.personal, claims, exchange, request_id, given)


@router.post("/link-exchange/{exchange_id}/requests/{request_id}/reveal")
async def post_reveal(
    exchange_id: Id,
    request_id: Id,
    given: AnswerLookIn,
    session: Session,
    desk: Desk,
    claims: Annotated[Claims, Depends(require("registry:exchange", "registry:reveal"))],
) -> RevealedOut:
    """查看原文 · the plain answer to a request of ours; recorded with its purpose."""
    exchange = await service.found(session, claims, exchange_id)
    return await answering.reveal(session, desk.personal, claims, exchange, request_id, given)


@router.post("/link-exchange/{exchange_id}/close", status_code=204)
async def post_close(exchange_id: Id, session: Session, claims: Exchanger) -> Response:
    """结束比对 · end an exchange; its secrets are destroyed."""
    await service.close(session, claims, exchange_id)
    return Response(status_code=204)
