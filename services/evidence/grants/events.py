"""Facts of casework that open, close, link or hand over evidence."""

from collections.abc import Awaitable, Callable

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.clock import utc_now
from services.common.outbox import Event, subscribe
from services.evidence.custody import service as custody
from services.evidence.custody.rules import reported_actor
from services.evidence.grants import repository
from services.evidence.grants.rules import is_news, read_word
from services.evidence.retention.service import attached_to_case

log = structlog.get_logger()


@subscribe("evidence.granted")
async def granted(session: AsyncSession, event: Event) -> None:
    """Casework opened an item to an organisation: {evidence_id, org_code, basis, version, reason, actor}."""
    await _with_item(session, event, _open)


async def _open(session: AsyncSession, event: Event) -> None:
    word = read_word(event.payload)
    known = await repository.find(session, word)
    if not is_news(word, known.version if known else None):
        return
    was_open = await repository.is_open(session, word.evidence_id, word.org_code)
    await repository.keep(session, word, None)
    if not was_open:
        await _record(session, event, "granted", {"to": word.org_code})


@subscribe("evidence.withdrawn")
async def withdrawn(session: AsyncSession, event: Event) -> None:
    """Casework took an item back from an organisation; fields as of `evidence.granted`.

    Custody says so when no other ground keeps the item open.
    """
    await _with_item(session, event, _close)


async def _close(session: AsyncSession, event: Event) -> None:
    word = read_word(event.payload)
    known = await repository.find(session, word)
    if not is_news(word, known.version if known else None):
        return
    was_open = await repository.is_open(session, word.evidence_id, word.org_code)
    now = utc_now()
    await repository.keep(session, word, now)
    await repository.close_unnamed(session, word, now)
    if was_open and not await repository.is_open(session, word.evidence_id, word.org_code):
        await _record(session, event, "grant_withdrawn", {"from": word.org_code})


@subscribe("evidence.linked")
async def linked(session: AsyncSession, event: Event) -> None:
    """Casework attached an item to a clue or case: {evidence_id, reason, actor}."""
    await _with_item(session, event, _linked)


async def _linked(session: AsyncSession, event: Event) -> None:
    await attached_to_case(session, str(event.payload["evidence_id"]))
    await _record(session, event, "linked", {})


@subscribe("evidence.transferred")
async def transferred(session: AsyncSession, event: Event) -> None:
    """An organisation signed for material with this item: {evidence_id, from_org, to_org, reason, actor}."""
    await _with_item(session, event, _transferred)


async def _transferred(session: AsyncSession, event: Event) -> None:
    payload = event.payload
    about = {"from": str(payload["from_org"]), "to": str(payload["to_org"])}
    await _record(session, event, "transferred", about)


async def _with_item(
    session: AsyncSession, event: Event, act: Callable[[AsyncSession, Event], Awaitable[None]]
) -> None:
    """Act with the item held, one fact about an item at a time."""
    if await custody.hold(session, str(event.payload["evidence_id"])):
        await act(session, event)
    else:
        # Nothing of ours: refusing it would hold up every later fact from that service.
        log.warning("evidence.event_without_item", event_id=event.id, topic=event.topic)


async def _record(session: AsyncSession, event: Event, happened: str, about: dict[str, str]) -> None:
    payload = event.payload
    actor = reported_actor(event.source, payload.get("actor"))
    reason = str(payload.get("reason") or "")
    await custody.record(
        session, str(payload["evidence_id"]), custody.Happened(happened, actor, reason, about)
    )
