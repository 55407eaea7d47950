"""How frequent tokens are, remembered by each process and looked at anew now and then."""

import asyncio
import time
from dataclasses import dataclass
from typing import Final
from weakref import WeakKeyDictionary

import structlog

from services.common.database import Database, Transaction
from services.registry.search import repository
from services.registry.search.models import Searched
from services.registry.search.plan import Shape

log = structlog.get_logger()

_FRESH_SECONDS: Final = 600.0
_TOP_SECONDS: Final = 2.0
_GROWN: Final = 1.25


@dataclass
class _Known:
    shape: Shape
    taken: float
    looked: float
    renewing: "asyncio.Task[None] | None" = None


_KNOWN: WeakKeyDictionary[Database, dict[str, _Known]] = WeakKeyDictionary()


async def shape_of(session: Transaction, table: Searched) -> Shape:
    """The table's shape: sampled at the first call and when the table has grown by a quarter, else in the
    background every ten minutes. An old one costs time, never rows.
    """
    database: Database = session.info["database"]
    tables = _KNOWN.setdefault(database, {})
    known, now = tables.get(table.__tablename__), time.monotonic()
    if known and now - known.looked > _TOP_SECONDS:
        known.looked = now
        if await repository.top(session, table) > _GROWN * (known.shape.high + 1):
            known = None
    if known is None:
        known = _Known(await _sampled(database, table), now, now)
        tables[table.__tablename__] = known
    elif now - known.taken > _FRESH_SECONDS and known.renewing is None:
        known.renewing = asyncio.create_task(_renew(database, table, tables))
    return known.shape


async def _sampled(database: Database, table: Searched) -> Shape:
    async with database.transaction() as session:
        return await repository.shape(session, table)


async def _renew(database: Database, table: Searched, tables: dict[str, _Known]) -> None:
    try:
        shape = await _sampled(database, table)
        now = time.monotonic()
        tables[table.__tablename__] = _Known(shape, now, now)
    except Exception:
        log.warning("search.shape_not_renewed", table=table.__tablename__, exc_info=True)
        tables[table.__tablename__].renewing = None
