"""Facts between services: transactional outbox, inbox that drops repeats."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.client import ServiceClient
from services.common.database import Database, Session, after_commit
from services.common.identity import Claims, require_service
from services.common.ids import new_id
from services.common.problems import Problem
from services.common.settings import SERVICES, Settings

log = structlog.get_logger()
BATCH = 100
_WAKE_SECONDS = 1.0


@dataclass(frozen=True)
class Event:
    """A fact another service published."""

    id: str
    topic: str
    source: str
    payload: dict[str, Any]


Handler = Callable[[AsyncSession, Event], Awaitable[None]]
_handlers: dict[str, Handler] = {}


def subscribe(topic: str) -> Callable[[Handler], Handler]:
    """Register the handler of a topic; it runs in the transaction that marks the event as received."""

    def add(handler: Handler) -> Handler:
        _handlers[topic] = handler
        return handler

    return add


async def publish(session: AsyncSession, topic: str, *, to: list[str], payload: dict[str, Any]) -> None:
    """Queue a fact for other services in the current transaction; the relay is woken after commit."""
    for target in to:
        await session.execute(
            text(
                "INSERT INTO outbox (id, topic, target, payload)"
                " VALUES (:id, :topic, :target, CAST(:payload AS jsonb))"
            ),
            {"id": new_id(), "topic": topic, "target": target, "payload": json.dumps(payload, default=str)},
        )
    if to and not session.info.get("wakes_relay"):
        session.info["wakes_relay"] = True
        source: str = session.info["service"]
        after_commit(session, lambda: _wake(source))


async def _wake(service: str) -> None:
    """Tell the relay; a broker that is away costs at most a second, beat tells it anyway."""
    import asyncio

    from services.common.queue import celery

    sending = asyncio.to_thread(
        celery.send_task, "common.relay_outbox", args=[service], queue="default", retry=False
    )
    try:
        await asyncio.wait_for(sending, _WAKE_SECONDS)
    except TimeoutError:
        log.warning("outbox.wake_late", source=service)


_UNSENT = text(
    "SELECT id, topic, target, payload FROM outbox WHERE sent_at IS NULL"
    " ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED"
)


_SENT = text("UPDATE outbox SET sent_at = now(), attempts = attempts + 1, last_error = NULL WHERE id = :id")
_FAILED = text("UPDATE outbox SET attempts = attempts + 1, last_error = :error WHERE id = :id")


async def relay(database: Database, settings: Settings, source: str) -> int:
    """Send waiting facts of `source`; gives how many were delivered.

    A target that fails keeps its rows for the next run; the others are not held up.
    """
    delivered = 0
    failed: set[str] = set()
    async with database.transaction() as session:
        rows = (await session.execute(_UNSENT, {"limit": BATCH})).mappings().all()
        for row in rows:
            if row["target"] in failed:
                continue
            error = await _deliver(settings, source, dict(row))
            if error is None:
                delivered += 1
                await session.execute(_SENT, {"id": row["id"]})
            else:
                failed.add(row["target"])
                await session.execute(_FAILED, {"id": row["id"], "error": error[:500]})
    return delivered


async def _deliver(settings: Settings, source: str, row: dict[str, Any]) -> str | None:
    """None when the target took it, else the reason."""
    async with ServiceClient(settings, caller=source, target=row["target"]) as client:
        try:
            await client.request(
                "POST",
                "/internal/inbox",
                json={"id": row["id"], "topic": row["topic"], "payload": row["payload"]},
            )
        except Problem as problem:
            return f"{problem.code}: {problem.en}"
    return None


class InboxMessage(BaseModel):
    """What the relay posts."""

    id: str = Field(min_length=26, max_length=26)
    topic: str
    payload: dict[str, Any]


router = APIRouter(include_in_schema=False)


@router.post("/internal/inbox")
async def receive(
    message: InboxMessage,
    request: Request,
    session: Session,
    claims: Claims = Depends(require_service("gateway", *SERVICES)),
) -> dict[str, str]:
    """Take one fact: the first time it has its effect, a repeat answers the same and changes nothing."""
    handler = _handlers.get(message.topic)
    if handler is None:
        raise Problem("inbox.unknown_topic", 422, zh="未知的事件类型", en=f"unknown topic {message.topic}")
    source = claims.service or "gateway"
    inserted = await session.execute(
        text(
            "INSERT INTO inbox (id, source, topic) VALUES (:id, :source, :topic)"
            " ON CONFLICT DO NOTHING RETURNING id"
        ),
        {"id": message.id, "source": source, "topic": message.topic},
    )
    if inserted.first() is not None:
        await handler(session, Event(message.id, message.topic, source, message.payload))
    return {"status": "received"}
