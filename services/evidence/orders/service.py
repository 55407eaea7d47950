"""Logging orders."""

import json

from sqlalchemy.ext.asyncio import AsyncSession

from services.common.clock import utc_now
from services.common.database import Database
from services.common.problems import Problem
from services.evidence.items import repository as items
from services.evidence.log import repository as log_repository
from services.evidence.log.merkle import leaf_hash
from services.evidence.log.service import TransparencyLog
from services.evidence.orders import repository
from services.evidence.orders.rules import log_entry, log_ref, order_document
from services.evidence.orders.schemas import OrderIn, OrderLogged
from services.evidence.timestamps.waiting import unstamped_state, unstamped_too_long


async def log_order(database: Database, log: TransparencyLog, order_id: str, order: OrderIn) -> OrderLogged:
    """Keep and log an order; answers once its leaf is under a signed checkpoint.

    Repeating the same order gives the same answer. Raises Problem 409 `order.conflict` when the id is taken
    by another order, 503 `evidence.unstamped_too_long` for a new one while older evidence waits too long for
    its time stamp, 503 `evidence.log_refuses`.
    """
    log.check_refusal()
    async with database.transaction() as session:
        document = order_document(order_id, order)
        await _refuse_new(session, order_id)
        if not await repository.add(session, order_id, order, document):
            document = await _existing(session, order_id, order)
        await log_repository.enqueue(session, {log_ref(order_id): log_entry(order_id, document)})
        index = await log_repository.index_of(session, log_ref(order_id))
    if index is None:
        index = await log.wait_for(log_ref(order_id))
    return OrderLogged(
        log_index=index,
        checkpoint=await log.checkpoint_over(index),
        leaf_hash=leaf_hash(log_entry(order_id, document)).hex(),
    )


async def _refuse_new(session: AsyncSession, order_id: str) -> None:
    """Raise Problem 503 for an order not known yet while older evidence waits too long for its stamp."""
    oldest, now = await items.oldest_unstamped(session), utc_now()
    too_long = oldest is not None and unstamped_state(oldest, now) == "refuse"
    if oldest is not None and too_long and await repository.find(session, order_id) is None:
        raise unstamped_too_long(oldest, now)


async def _existing(session: AsyncSession, order_id: str, order: OrderIn) -> bytes:
    """The document of the order already kept under this id, when it is the same order."""
    kept = await repository.find(session, order_id)
    salt = json.loads(kept.document)["salt"] if kept else ""
    if kept is None or order_document(order_id, order, salt) != kept.document:
        raise Problem(
            "order.conflict",
            409,
            zh="该编号已用于另一项采集任务",
            en="this id already belongs to another order",
            todo_zh="请为新任务使用新的编号",
            todo_en="use a new id for a new order",
        )
    return kept.document
