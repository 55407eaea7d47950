"""Writing and showing the history of values."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from services.common.identity import Claims
from services.common.paging import Page, decode_cursor, encode_cursor, invalid_cursor
from services.common.personal import PersonalData, PersonalDataError
from services.registry.changes import repository
from services.registry.changes.models import Change
from services.registry.changes.rules import Changed, label, shown
from services.registry.changes.schemas import ChangeOut, OriginOut

PAGE = 50


class Row(Protocol):
    """What a record with a history has."""

    @property
    def id(self) -> Any: ...
    @property
    def source(self) -> Any: ...
    @property
    def import_id(self) -> Any: ...
    @property
    def first_seen(self) -> Any: ...
    @property
    def last_seen(self) -> Any: ...


async def note(
    session: AsyncSession,
    personal: PersonalData,
    claims: Claims,
    object_type: str,
    object_id: str,
    changed: Iterable[Changed],
    *,
    source: str,
    at: datetime,
    import_id: str | None = None,
) -> None:
    """Write what changed of an object into its history, in the transaction of the change itself."""
    common = {
        "object_type": object_type,
        "object_id": object_id,
        "source": source,
        "import_id": import_id,
        "at": at,
        "by": claims.sub,
        "by_name": claims.name,
        "org_code": claims.org,
    }
    await repository.add(session, [{**common, **entry(personal, object_id, one)} for one in changed])


def entry(personal: PersonalData, object_id: str, changed: Changed) -> dict[str, Any]:
    """The columns of a change that hold its values: plain, or sealed about the object when personal."""
    if not changed.personal:
        return {"field": changed.field, "old": changed.old, "new": changed.new, "sealed": None}
    values = {"field": changed.field, "old": changed.old, "new": changed.new}
    sealed = personal.seal({k: str(v) for k, v in values.items() if v is not None}, object_id)
    return {"field": changed.field, "old": None, "new": None, "sealed": sealed}


def values_of(personal: PersonalData, change: Change) -> tuple[Any, Any]:
    """`(old, new)` of a change, in full. Raises PersonalDataError."""
    if change.sealed is None:
        return change.old, change.new
    values = personal.open(change.sealed, change.object_id)
    if values.get("field") != change.field:
        raise PersonalDataError("sealed for another field")
    return values.get("old"), values.get("new")


async def history(
    session: AsyncSession, personal: PersonalData, object_type: str, object_id: str, cursor: str | None
) -> Page[ChangeOut]:
    """One page of an object's history, newest first, personal values masked. Not scoped: the caller did.

    Raises Problem 422 `paging.cursor_invalid`.
    """
    before = decode_cursor(cursor)[0] if cursor else None
    if before is not None and not isinstance(before, int):
        raise invalid_cursor()
    rows = await repository.of_object(session, object_type, object_id, before, PAGE)
    listed = rows[:PAGE]
    return Page(
        items=[_out(personal, row) for row in listed],
        next_cursor=encode_cursor([listed[-1].id]) if len(rows) > PAGE else None,
    )


async def origins(
    session: AsyncSession, object_type: str, row: Row, fields: Iterable[str]
) -> list[OriginOut]:
    """Source, first and last seen of the values an object has in `fields`. Not scoped: the caller did.

    A value that never changed comes from the row's own source. The row's source confirms its values whenever
    it shows the row again; a value from another source was seen when it was entered.
    """
    changed = {one.field: one for one in await repository.newest(session, object_type, row.id)}
    found = []
    for field in fields:
        zh, en = label(field)
        one = changed.get(field)
        source = one.source if one else row.source
        first = one.at if one else row.first_seen
        last = max(first, row.last_seen) if source == row.source else first
        found.append(
            OriginOut(
                field=field,
                field_zh=zh,
                field_en=en,
                source=source,
                import_id=one.import_id if one else row.import_id,
                first_seen=first,
                last_seen=last,
            )
        )
    return found


def _out(personal: PersonalData, change: Change) -> ChangeOut:
    zh, en = label(change.field)
    unreadable = False
    try:
        old, new = values_of(personal, change)
    except PersonalDataError:
        old, new, unreadable = None, None, True
    return ChangeOut(
        id=change.id,
        field=change.field,
        field_zh=zh,
        field_en=en,
        personal=change.sealed is not None,
        unreadable=unreadable,
        old=shown(change.field, old),
        new=shown(change.field, new),
        source=change.source,
        import_id=change.import_id,
        at=change.at,
        by=change.by,
        by_name=change.by_name,
        org_code=change.org_code,
    )
