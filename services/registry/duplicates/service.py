"""Use cases of duplicates: listing, previewing, merging, taking back, dismissing."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.common.audit import record
from services.common.clock import utc_now
from services.common.identity import Claims
from services.common.paging import Page, encode_cursor
from services.common.personal import PersonalData
from services.common.problems import Problem, not_found
from services.registry.changes.rules import shown
from services.registry.duplicates import merging, repository
from services.registry.duplicates.models import Duplicate, Merge
from services.registry.duplicates.rules import (
    FIELDS,
    REASONS,
    DuplicateRule,
    DuplicateState,
    DuplicateType,
    MergeChoice,
    Planned,
    plan,
)
from services.registry.duplicates.schemas import (
    DismissOrder,
    DuplicateQuery,
    DuplicateReason,
    DuplicateRow,
    DuplicateSide,
    MergeDone,
    MergeField,
    MergeOrder,
    MergePreview,
)
from services.registry.duplicates.snapshots import state_of


async def list_duplicates(session: AsyncSession, claims: Claims, query: DuplicateQuery) -> Page[DuplicateRow]:
    """One page of the proposals whose two records the caller may see, newest first."""
    rows = await repository.page(session, claims, query)
    listed = rows[: query.limit]
    sides: dict[str, Any] = {}
    for object_type in DuplicateType:
        ids = [i for row in listed if row.object_type == object_type for i in (row.first_id, row.second_id)]
        sides |= await repository.records(session, claims, object_type, ids) if ids else {}
    return Page(
        items=[_row(row, sides) for row in listed],
        next_cursor=encode_cursor([listed[-1].id]) if len(rows) > query.limit else None,
    )


async def preview(
    session: AsyncSession, personal: PersonalData, claims: Claims, duplicate_id: int, keep: str | None
) -> MergePreview:
    """What merging the pair would do; `keep` names the record that stays (else the older one).

    Raises Problem 404 when not visible, 422 `duplicate.keep` when `keep` is neither of the two.
    """
    duplicate = await _visible(session, claims, duplicate_id)
    return await _preview(session, personal, claims, duplicate, keep)


async def merge(
    session: AsyncSession, personal: PersonalData, claims: Claims, duplicate_id: int, given: MergeOrder
) -> MergePreview:
    """Merge as previewed. Raises Problem 404, 409 `duplicate.decided`, 409 `duplicate.changed` when either
    record was changed since the preview, 409 `subject.licence_known`.
    """
    duplicate = await _visible(session, claims, duplicate_id, lock=True)
    pair = await _pair(session, claims, duplicate, given.keep, lock=True)
    if duplicate.state == DuplicateState.MERGED or any(row.status == merging.MERGED for row in pair):
        raise _decided()
    object_type = DuplicateType(duplicate.object_type)
    moves = await repository.owned(session, object_type, pair[1].id)
    if _version(pair, moves) != given.version:
        raise _changed()
    fields = _plan(personal, object_type, pair, given.choices)
    await merging.merge(session, personal, claims, duplicate, pair, fields)
    return await _preview(session, personal, claims, duplicate, given.keep)


async def unmerge(
    session: AsyncSession, personal: PersonalData, claims: Claims, duplicate_id: int
) -> MergeDone:
    """Take the merge of this pair back. Raises Problem 404, 409 `merge.none`, 409 `merge.later`."""
    duplicate = await _visible(session, claims, duplicate_id, lock=True)
    done = await repository.standing_merge(session, duplicate.id)
    if done is None:
        raise Problem("merge.none", 409, zh="这两条记录没有合并", en="these two records are not merged")
    pair = await _pair(session, claims, duplicate, done.kept_id, lock=True)
    edits = await merging.unmerge(session, personal, claims, duplicate, done, pair)
    return _merge(done, edits)


async def dismiss(
    session: AsyncSession, claims: Claims, duplicate_id: int, given: DismissOrder
) -> DuplicateRow:
    """Note that the two are not one; they are not proposed again. Raises 404, 409 `duplicate.decided`."""
    duplicate = await _visible(session, claims, duplicate_id, lock=True)
    if duplicate.state == DuplicateState.MERGED:
        raise _decided()
    duplicate.state, duplicate.note, duplicate.decided_at = (
        DuplicateState.DISMISSED.value,
        given.note,
        utc_now(),
    )
    duplicate.decided_by, duplicate.decided_by_name = claims.sub, claims.name
    await session.flush()
    await record(
        session,
        claims,
        event="duplicate.dismissed",
        object_type="duplicate",
        object_id=str(duplicate.id),
        after={"note": given.note, "records": [duplicate.first_id, duplicate.second_id]},
    )
    ids = [duplicate.first_id, duplicate.second_id]
    return _row(
        duplicate, await repository.records(session, claims, DuplicateType(duplicate.object_type), ids)
    )


async def _visible(
    session: AsyncSession, claims: Claims, duplicate_id: int, *, lock: bool = False
) -> Duplicate:
    duplicate = await repository.visible(session, claims, duplicate_id, lock=lock)
    if duplicate is None:
        raise not_found("查重结果", "proposal")
    return duplicate


async def _pair(
    session: AsyncSession, claims: Claims, duplicate: Duplicate, keep: str | None, *, lock: bool = False
) -> tuple[Any, Any]:
    ids = [duplicate.first_id, duplicate.second_id]
    rows = await repository.records(session, claims, DuplicateType(duplicate.object_type), ids, lock=lock)
    if len(rows) < 2:
        raise not_found("查重结果", "proposal")
    kept = keep or next((i for i in ids if rows[i].status != merging.MERGED), ids[0])
    if kept not in ids:
        raise Problem(
            "duplicate.keep",
            422,
            zh="保留的记录须是这两条之一",
            en="the record to keep is neither of the two",
        )
    return rows[kept], rows[ids[1] if kept == ids[0] else ids[0]]


def _plan(
    personal: PersonalData,
    object_type: DuplicateType,
    pair: tuple[Any, Any],
    choices: Mapping[str, MergeChoice],
) -> list[Planned]:
    sides = []
    for row in pair:
        state = state_of(personal, row)
        sides.append({name: {**state, **state["personal"]}.get(name) for name in FIELDS[object_type]})
    return plan(object_type, sides[0], sides[1], choices)


async def _preview(
    session: AsyncSession, personal: PersonalData, claims: Claims, duplicate: Duplicate, keep: str | None
) -> MergePreview:
    done = await repository.standing_merge(session, duplicate.id)
    pair = await _pair(session, claims, duplicate, done.kept_id if done else keep)
    object_type = DuplicateType(duplicate.object_type)
    moves = await repository.owned(session, object_type, pair[1].id)
    return MergePreview(
        duplicate=_row(duplicate, {row.id: row for row in pair}),
        keep=pair[0].id,
        version=_version(pair, moves),
        fields=[_field(one) for one in _plan(personal, object_type, pair, {})],
        moves={kind: len(ids) for kind, ids in (done.moved if done else moves).items()},
        merge=_merge(done) if done else None,
    )


def _version(pair: tuple[Any, Any], moves: Mapping[str, Sequence[str]]) -> str:
    """Names the state that was previewed: both records as last changed, and what would move."""
    told = [*(f"{row.id}@{row.updated_at.isoformat()}" for row in pair), *(repr(sorted(moves.items())),)]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()


def _field(one: Planned) -> MergeField:
    zh, en = one.names
    kept, other, result = (shown(one.field, value) for value in (one.kept, one.other, one.result))
    if one.choice is MergeChoice.BOTH:
        result = f"{kept}、{other}"
    return MergeField(
        field=one.field,
        field_zh=zh,
        field_en=en,
        personal=one.personal,
        kept=kept,
        other=other,
        result=result,
        conflict=one.conflict,
        choices=list(one.choices),
        choice=one.choice,
    )


def _row(duplicate: Duplicate, sides: Mapping[str, Any]) -> DuplicateRow:
    return DuplicateRow(
        id=str(duplicate.id),
        object_type=DuplicateType(duplicate.object_type),
        first=_side(sides[duplicate.first_id]),
        second=_side(sides[duplicate.second_id]),
        reasons=[_reason(DuplicateRule(code)) for code in duplicate.reasons],
        score=duplicate.score,
        state=DuplicateState(duplicate.state),
        found_at=duplicate.found_at,
        decided_at=duplicate.decided_at,
        decided_by_name=duplicate.decided_by_name,
        note=duplicate.note,
    )


def _reason(code: DuplicateRule) -> DuplicateReason:
    zh, en, _ = REASONS[code]
    return DuplicateReason(code=code, zh=zh, en=en)


def _side(row: Any) -> DuplicateSide:
    return DuplicateSide(
        id=row.id,
        name=row.name,
        licence=row.licence,
        source=row.source,
        org_code=row.org_code,
        region_code=row.region_code,
        status=row.status,
        updated_at=row.updated_at,
    )


def _merge(done: Merge, edits: list[str] | None = None) -> MergeDone:
    return MergeDone(
        id=done.id,
        kept_id=done.kept_id,
        merged_id=done.merged_id,
        at=done.at,
        by_name=done.by_name,
        undone_at=done.undone_at,
        undone_by_name=done.undone_by_name,
        kept_edits=edits or [],
    )


def _decided() -> Problem:
    return Problem(
        "duplicate.decided",
        409,
        zh="其中一条记录已经合并",
        en="one of the records was merged already",
        todo_zh="请刷新；如需另行处理，先撤销那次合并",
        todo_en="reload; to decide anew, take that merge back first",
    )


def _changed() -> Problem:
    return Problem(
        "duplicate.changed",
        409,
        zh="预览之后，记录又有变动",
        en="a record was changed after the preview",
        todo_zh="请重新预览后再合并",
        todo_en="preview again, then merge",
    )
