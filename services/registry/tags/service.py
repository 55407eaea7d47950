"""Use cases of tags: define, change, put on and take off, one record or many."""

from collections.abc import Sequence

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.audit import record
from services.common.clock import utc_now
from services.common.identity import Claims
from services.common.problems import Problem, not_found
from services.registry.changes.repository import add as add_changes
from services.registry.tags import repository
from services.registry.tags.models import Tag
from services.registry.tags.schemas import TagIn, TagList, TagOut, TagPatch, TagRef, TagRowsIn, TagRowsOut


async def list_tags(session: AsyncSession, claims: Claims, *, retired: bool) -> TagList:
    """The tags the caller may use: his own, those of the authorities above him and below him."""
    return TagList(
        items=[_out(tag, claims) for tag in await repository.usable(session, claims, retired=retired)]
    )


async def define(session: AsyncSession, claims: Claims, given: TagIn) -> TagOut:
    """Define a tag. Raises Problem 409 `tag.known` when the authority has one of that name."""
    now = utc_now()
    tag = Tag(
        name=given.name,
        tone=given.tone.value,
        description=given.description,
        org_code=claims.org,
        region_code=claims.region,
        created_by=claims.sub,
        created_at=now,
        updated_at=now,
    )
    try:
        await repository.add(session, tag)
    except IntegrityError as error:
        raise _known() from error
    await _audit(session, claims, "tag.defined", tag.id, {"name": tag.name, "tone": tag.tone})
    return _out(tag, claims)


async def change(session: AsyncSession, claims: Claims, tag_id: int, given: TagPatch) -> TagOut:
    """Change or retire a tag of the caller's own authority.

    Raises Problem 404, 403 `tag.not_own` for another authority's, 409 `tag.known`.
    """
    tag = await _found(session, claims, tag_id, lock=True)
    if tag.org_code != claims.org:
        raise Problem(
            "tag.not_own",
            403,
            zh="该标签由其他单位定义，只有定义单位可以修改",
            en="another authority defined this tag; only it may change it",
            todo_zh="请联系定义单位，或新建本单位的标签",
            todo_en="ask that authority, or define a tag of your own",
        )
    wanted = given.model_dump(exclude_unset=True, mode="json")
    retired = wanted.pop("retired", None)
    for name, value in wanted.items():
        if value is not None or name == "description":
            setattr(tag, name, value)
    tag.updated_at = utc_now()
    if retired is not None:
        tag.retired_at = tag.updated_at if retired else None
    try:
        await session.flush()
    except IntegrityError as error:
        raise _known() from error
    await _audit(session, claims, "tag.changed", tag_id, {**wanted, "retired": retired})
    return _out(tag, claims)


async def set_rows(session: AsyncSession, claims: Claims, tag_id: int, given: TagRowsIn) -> TagRowsOut:
    """Put a tag on records or take it off, or say how many would change; what is not visible is left alone.

    Raises Problem 404, 409 `tag.retired` when it may be put on no more.
    """
    tag = await _found(session, claims, tag_id)
    if tag.retired_at and given.action == "put":
        raise Problem("tag.retired", 409, zh="该标签已停用", en="this tag is retired; it is put on no more")
    ids = list(dict.fromkeys(given.ids))
    visible, having = await repository.count(session, claims, given.object_type, ids, tag_id)
    changes = visible - having if given.action == "put" else having
    if not given.preview:
        act = repository.put if given.action == "put" else repository.take_off
        done = await act(session, claims, given.object_type, ids, tag_id)
        changes = len(done)
        await _history(session, claims, tag, given, done)
        await _audit(
            session,
            claims,
            "tag.put" if given.action == "put" else "tag.taken_off",
            tag_id,
            {"object_type": given.object_type, "rows": changes},
        )
    return TagRowsOut(given=len(ids), visible=visible, changed=changes, preview=given.preview)


async def _history(
    session: AsyncSession, claims: Claims, tag: Tag, given: TagRowsIn, ids: Sequence[str]
) -> None:
    old, new = (None, tag.name) if given.action == "put" else (tag.name, None)
    common = {
        "object_type": given.object_type,
        "field": "tags",
        "old": old,
        "new": new,
        "sealed": None,
        "source": "manual",
        "import_id": None,
        "at": utc_now(),
        "by": claims.sub,
        "by_name": claims.name,
        "org_code": claims.org,
    }
    await add_changes(session, [{**common, "object_id": one} for one in ids])


async def refs(session: AsyncSession, ids: Sequence[int]) -> list[TagRef]:
    """The tags on a record, in order of their names."""
    tags = await repository.by_ids(session, ids)
    return [TagRef(id=tag.id, name=tag.name, tone=tag.tone) for tag in tags]


async def _found(session: AsyncSession, claims: Claims, tag_id: int, *, lock: bool = False) -> Tag:
    tag = await repository.visible(session, claims, tag_id, lock=lock)
    if tag is None:
        raise not_found("标签", "tag")
    return tag


async def _audit(
    session: AsyncSession, claims: Claims, event: str, tag_id: int, after: dict[str, object]
) -> None:
    await record(session, claims, event=event, object_type="tag", object_id=str(tag_id), after=after)


def _out(tag: Tag, claims: Claims) -> TagOut:
    return TagOut(
        id=tag.id,
        name=tag.name,
        tone=tag.tone,
        description=tag.description,
        org_code=tag.org_code,
        region_code=tag.region_code,
        own=tag.org_code == claims.org,
        retired_at=tag.retired_at,
        created_at=tag.created_at,
    )


def _known() -> Problem:
    return Problem(
        "tag.known",
        409,
        zh="本单位已有同名标签",
        en="your authority already has a tag of this name",
        todo_zh="请使用已有标签，或换一个名称",
        todo_en="use the existing tag, or choose another name",
    )
