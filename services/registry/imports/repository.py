"""SQL of imports: the scoped list, the row under work, remarks, remembered columns."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from sqlalchemy import delete, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from services.common.identity import Claims
from services.common.scope import region_filter
from services.common.wire import ListQuery
from services.registry.imports.models import Import, ImportRemark, ImportSource
from services.registry.imports.rules import WORKING, Links, State
from services.registry.search.repository import capped_count, matches_plain, newest_first

_STREAMED = 2_000


async def add(session: AsyncSession, row: Import) -> None:
    """Insert the record of an import."""
    session.add(row)
    await session.flush()


async def page(session: AsyncSession, claims: Claims, query: ListQuery) -> tuple[list[Import], int, bool]:
    """One row more than the page of visible imports, newest first, and their capped count."""
    conditions = [
        region_filter(Import.region_code, claims),
        matches_plain([Import.source, Import.filename], query.q),
    ]
    rows = await session.scalars(
        newest_first(select(Import).where(*conditions), Import.id, query.after, query.limit)
    )
    total, capped = await capped_count(session, conditions)
    return list(rows.all()), total, capped


async def visible(
    session: AsyncSession, claims: Claims, import_id: str, *, lock: bool = False
) -> Import | None:
    """The import with this id when the caller may see it; lock: until the transaction ends."""
    query = select(Import).where(Import.id == import_id, region_filter(Import.region_code, claims))
    query = query.with_for_update() if lock else query
    return (await session.scalars(query.execution_options(populate_existing=True))).one_or_none()


async def claim(session: AsyncSession, now: datetime, lease_until: datetime) -> Import | None:
    """The import that waits longest for work and that nobody works on, now leased by the caller.

    Of one source only one runs at a time: the earlier one first.
    """
    other = aliased(Import)
    free = or_(Import.lease_until.is_(None), Import.lease_until < now)
    same_source = exists().where(
        other.org_code == Import.org_code,
        other.source == Import.source,
        other.id != Import.id,
        other.state.in_(WORKING),
        other.lease_until >= now,
    )
    waiting = (
        select(Import.id)
        .where(Import.state.in_(WORKING), free, ~same_source)
        .order_by(Import.updated_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    query = (
        update(Import)
        .where(Import.id == waiting.scalar_subquery())
        .values(lease_until=lease_until)
        .returning(Import)
        .execution_options(populate_existing=True)
    )
    return (await session.execute(query)).scalar_one_or_none()


async def working(session: AsyncSession, import_id: str, state: str) -> Import | None:
    """The import under work, locked; None when it is in another state by now."""
    query = select(Import).where(Import.id == import_id, Import.state == state).with_for_update()
    return (await session.scalars(query.execution_options(populate_existing=True))).one_or_none()


async def advance(session: AsyncSession, import_id: str, state: str, values: dict[str, Any]) -> bool | None:
    """Write how far the work is; gives whether it is to stop, None when the state is another one by now."""
    query = (
        update(Import)
        .where(Import.id == import_id, Import.state == state)
        .values(**values)
        .returning(Import.cancel)
    )
    found: bool | None = (await session.execute(query)).scalar_one_or_none()
    return found


async def lease(session: AsyncSession, import_id: str, until: datetime | None) -> None:
    """Renew the lease of who works on an import, or give it up."""
    query = update(Import).where(Import.id == import_id, Import.state.in_(WORKING)).values(lease_until=until)
    await session.execute(query)


async def find(session: AsyncSession, import_id: str) -> Import | None:
    """The import with this id, locked; for the work on it, whoever's it is."""
    return await session.get(Import, import_id, with_for_update=True, populate_existing=True)


async def to_be_linked(session: AsyncSession) -> list[str]:
    """Imports that have ended and whose rows wait for all links to be made anew."""
    query = select(Import.id).where(Import.links == Links.WANTED, Import.state.not_in(WORKING))
    return list((await session.scalars(query)).all())


async def linked(session: AsyncSession, ids: list[str], since: datetime) -> None:
    """Links were made anew behind these imports, from the rows there were at `since`.

    One that went on meanwhile, or is being undone, waits again.
    """
    query = update(Import).where(Import.id.in_(ids), Import.state.not_in(WORKING), Import.updated_at <= since)
    await session.execute(query.values(links=Links.DONE))


async def take_overdue(
    session: AsyncSession, before: datetime, now: datetime, limit: int
) -> list[tuple[str, str, str]]:
    """Mark imports nobody worked on since `before` as having no file any more: (id, organisation, region)."""
    overdue = (
        select(Import.id)
        .where(Import.file_removed_at.is_(None), Import.updated_at < before, Import.state.not_in(WORKING))
        .order_by(Import.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    query = (
        update(Import)
        .where(Import.id.in_(overdue))
        .values(file_removed_at=now)
        .returning(Import.id, Import.org_code, Import.region_code)
    )
    return [(row.id, row.org_code, row.region_code) for row in await session.execute(query)]


async def newer_of_source(session: AsyncSession, row: Import) -> str | None:
    """The newest import of the same source after this one that took rows in and was not undone."""
    taken = (State.RUNNING, State.DONE, State.CANCELLED, State.FAILED, State.UNDOING)
    query = (
        select(Import.id)
        .where(
            Import.org_code == row.org_code,
            Import.source == row.source,
            Import.id != row.id,
            Import.stamp > row.stamp,
            Import.state.in_(taken),
            Import.created + Import.updated + Import.unchanged > 0,
        )
        .order_by(Import.stamp.desc())
        .limit(1)
    )
    found: str | None = await session.scalar(query)
    return found


async def remarks(
    session: AsyncSession, import_id: str, severity: int | None, after: int, limit: int
) -> list[ImportRemark]:
    """One remark more than the page, in the order of the file."""
    query = select(ImportRemark).where(ImportRemark.import_id == import_id, ImportRemark.seq > after)
    if severity:
        query = query.where(ImportRemark.severity == severity)
    return list((await session.scalars(query.order_by(ImportRemark.seq).limit(limit + 1))).all())


async def each_remark(session: AsyncSession, import_id: str) -> AsyncIterator[ImportRemark]:
    """All kept remarks in the order of the file, a few at a time."""
    query = select(ImportRemark).where(ImportRemark.import_id == import_id).order_by(ImportRemark.seq)
    found = await session.stream_scalars(query.execution_options(yield_per=_STREAMED))
    async for remark in found:
        yield remark


async def clear_remarks(session: AsyncSession, import_id: str) -> None:
    """Forget what was remarked."""
    await session.execute(delete(ImportRemark).where(ImportRemark.import_id == import_id))


async def remove(session: AsyncSession, row: Import) -> None:
    """Remove an import that took nothing in."""
    await session.delete(row)


async def remembered(session: AsyncSession, org_code: str, source: str) -> dict[str, str]:
    """Header → field as chosen for this source before; empty for a new source."""
    query = select(ImportSource.fields).where(
        ImportSource.org_code == org_code, ImportSource.source == source
    )
    return (await session.scalar(query)) or {}


async def remember(
    session: AsyncSession, claims: Claims, source: str, fields: dict[str, str], now: datetime
) -> None:
    """Keep what was chosen for this source, beside what was chosen for other headers of it."""
    statement = insert(ImportSource).values(
        org_code=claims.org, source=source, fields=fields, updated_at=now, updated_by=claims.sub
    )
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=[ImportSource.org_code, ImportSource.source],
            set_={
                "fields": ImportSource.fields.op("||")(statement.excluded.fields),
                "updated_at": now,
                "updated_by": claims.sub,
            },
        )
    )


async def sources(session: AsyncSession, claims: Claims) -> list[tuple[str, datetime, int]]:
    """Sources the organisation has imported from: name, when last, how often."""
    query = (
        select(Import.source, func.max(Import.created_at), func.count())
        .where(Import.org_code == claims.org)
        .group_by(Import.source)
        .order_by(func.max(Import.created_at).desc())
        .limit(200)
    )
    return [(row[0], row[1], row[2]) for row in await session.execute(query)]
