"""How frequent tokens are, remembered by each process and looked at anew now and then."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakKeyDictionary

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

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


_KNOWN: WeakKeyDictionary[Any, dict[str, _Known]] = WeakKeyDictionary()


async def shape_of(session: AsyncSession, table: Searched) -> Shape:
    """The table's shape: sampled at the first call and when the table has grown by a quarter, else in the
    background every ten minutes. An old one costs time, never rows.
    """
    tables = _KNOWN.setdefault(session.get_bind(), {})
    known, now = tables.get(table.__tablename__), time.monotonic()
    if known and now - known.looked > _TOP_SECONDS:
        known.looked = now
        if await repository.top(session, table) > _GROWN * (known.shape.high + 1):
            known = None
    if known is None:
        known = _Known(await repository.shape(session, table), now, now)
        tables[table.__tablename__] = known
    elif now - known.taken > _FRESH_SECONDS and known.renewing is None:
        known.renewing = asyncio.create_task(_renew(session.bind, table, tables))
    return known.shape


async def _renew(engine: Any, table: Searched, tables: dict[str, _Known]) -> None:
    try:
        async with AsyncEngine.connect(engine) as connection:
            shape = await repository.shape(connection, table)
        now = time.monotonic()
        tables[table.__tablename__] = _Known(shape, now, now)
    except Exception:
        log.warning("search.shape_not_renewed", table=table.__tablename__, exc_info=True)
        tables[table.__tablename__].renewing = None
