"""Use cases of people: order a capture, watch it, cancel it."""

import asyncio
import json
import time
from collections.abc import AsyncIterator

from sqlalchemy.ext.asyncio import AsyncSession

from services.common.audit import record
from services.common.database import Database, after_commit
from services.common.identity import Claims
from services.common.ids import new_id
from services.common.paging import Page, decode_cursor, encode_cursor
from services.common.problems import Problem, not_found
from services.crawler.captures import repository
from services.crawler.captures.models import Capture
from services.crawler.captures.queue import send_hint_soon
from services.crawler.captures.rules import FINAL, cancel_refused, normalise_url
from services.crawler.captures.schemas import CaptureOrder, CaptureOut, StepOut

_POLL_SECONDS = 0.25
_COMMENT_SECONDS = 10.0


async def order_capture(
    session: AsyncSession, claims: Claims, order: CaptureOrder, idempotency_key: str | None
) -> CaptureOut:
    """Order a capture; the same key gives the order already made.

    Raises Problem 422 `capture.url_refused`, or 409 `capture.idempotency_conflict` when the key was used for
    another address.
    """
    url = normalise_url(order.url)
    capture_id = new_id()
    values = {
        "id": capture_id,
        "url": url,
        "purpose": order.reason.strip(),
        "ordered_by": claims.actor,
        "ordered_sub": claims.sub,
        "idempotency_key": idempotency_key,
        "org_code": claims.org,
        "region_code": claims.region,
    }
    if not await repository.add(session, values):
        return await _earlier(session, claims, idempotency_key or "", url)
    await record(
        session, claims, event="capture.ordered", object_type="capture", object_id=capture_id,
        after={"url": url, "purpose": values["purpose"]},
    )  # fmt: skip
    after_commit(session, lambda: send_hint_soon(capture_id))
    return await show_capture(session, claims, capture_id)


async def _earlier(session: AsyncSession, claims: Claims, key: str, url: str) -> CaptureOut:
    known = await repository.by_key(session, claims.sub, key)
    if known is None or known.url != url:
        raise Problem(
            "capture.idempotency_conflict",
            409,
            zh="同一个幂等键已用于另一个网址",
            en="this Idempotency-Key was used for another address",
            todo_zh="请换一个新的 Idempotency-Key",
            todo_en="use a new Idempotency-Key",
        )
    return CaptureOut.of(known, await repository.steps(session, known.id))


async def show_capture(session: AsyncSession, claims: Claims, capture_id: str) -> CaptureOut:
    """A capture with its steps. Raises Problem 404."""
    row = await _visible(session, claims, capture_id)
    return CaptureOut.of(row, await repository.steps(session, capture_id))


async def _visible(session: AsyncSession, claims: Claims, capture_id: str, *, lock: bool = False) -> Capture:
    row = await repository.visible(session, capture_id, claims, lock=lock)
    if row is None:
        raise not_found("采集", "capture")
    return row


async def list_captures(
    session: AsyncSession,
    claims: Claims,
    *,
    q: str | None,
    state: str | None,
    cursor: str | None,
    limit: int,
) -> Page[CaptureOut]:
    """Captures of the caller's region, newest first, without their steps."""
    before = str(decode_cursor(cursor)[0]) if cursor else None
    rows = await repository.page(session, claims, q=q, state=state, before=before, limit=limit + 1)
    more, rows = len(rows) > limit, rows[:limit]
    items = [CaptureOut.of(row, []) for row in rows]
    return Page(items=items, next_cursor=encode_cursor([rows[-1].id]) if more else None)


async def cancel_capture(session: AsyncSession, claims: Claims, capture_id: str) -> CaptureOut:
    """Cancel a waiting capture at once, or ask the worker of a running one to stop.

    Raises Problem 404, or 409 `capture.not_cancellable` once the manifest is signed or it has ended.
    """
    row = await _visible(session, claims, capture_id, lock=True)
    # `hashing` writes the manifest and checks for a cancel in the same statement, so one of the two wins.
    if row.state in FINAL or await repository.has_manifest(session, capture_id):
        raise cancel_refused(row.state)
    await repository.cancel(session, capture_id, claims.actor)
    await record(
        session, claims, event="capture.cancelled", object_type="capture", object_id=capture_id,
        before={"state": row.state},
    )  # fmt: skip
    return await show_capture(session, claims, capture_id)


async def watch_capture(
    database: Database, claims: Claims, capture_id: str, last_seen: int
) -> AsyncIterator[str]:
    """Server-sent events: each step when it starts and when it ends, at last `done` with the capture.

    last_seen: the Last-Event-ID; that step is sent again, because it may have ended meanwhile.
    """
    sent: dict[int, str] = {}
    low, quiet_since = max(1, last_seen), time.monotonic()
    while True:
        async with database.transaction() as session:
            row = await _visible(session, claims, capture_id)
            rows = await repository.steps(session, capture_id, low)
        for step in rows:
            if sent.get(step.seq) != step.state:
                sent[step.seq], quiet_since = step.state, time.monotonic()
                yield _event("step", StepOut.of(step).model_dump_json(), step.seq)
        if row.state in FINAL:
            async with database.transaction() as session:
                whole = await show_capture(session, claims, capture_id)
            yield _event("done", whole.model_dump_json())
            return
        low = next((step.seq for step in rows if step.state == "running"), rows[-1].seq if rows else low)
        if time.monotonic() - quiet_since > _COMMENT_SECONDS:
            quiet_since = time.monotonic()
            yield ": waiting\n\n"
        await asyncio.sleep(_POLL_SECONDS)


def _event(name: str, data: str, number: int | None = None) -> str:
    head = f"id: {number}\n" if number is not None else ""
    # JSON of pydantic holds no line breaks, which would end a data field.
    return f"{head}event: {name}\ndata: {json.dumps(json.loads(data), ensure_ascii=False)}\n\n"
