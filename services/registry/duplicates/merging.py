"""Merging one record into another, and taking that back."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.audit import record
from services.common.clock import utc_now
from services.common.identity import Claims
from services.common.ids import new_id
from services.common.personal import PersonalData, PersonalDataError
from services.common.problems import Problem
from services.registry.changes.rules import Changed
from services.registry.changes.service import note
from services.registry.duplicates import repository, snapshots
from services.registry.duplicates.models import Duplicate, Merge
from services.registry.duplicates.rules import DuplicateState, DuplicateType, Planned, former_names
from services.registry.identifiers.rules import check_fields, compact, licence_kind
from services.registry.identifiers.service import show
from services.registry.linking import service as linking
from services.registry.personal.rules import PERSONAL, personal_of
from services.registry.personal.service import sealed
from services.registry.presences.models import Presence
from services.registry.presences.rules import domain_of
from services.registry.search.rules import contact_grams
from services.registry.subjects.models import Subject
from services.registry.subjects.rules import searchable
from services.registry.subjects.service import known_licence

MERGED = "merged"
# What a look at a shop changes, and nobody's edit.
_NO_EDIT = frozenset({"last_seen", "last_checked_at", "alive", "http_state"})


async def merge(
    session: AsyncSession,
    personal: PersonalData,
    claims: Claims,
    duplicate: Duplicate,
    pair: tuple[Any, Any],
    fields: list[Planned],
) -> Merge:
    """Merge the second record of the pair into the first, as planned; both are locked by the caller.

    The merged record stays, with all it said, as one that was merged. Raises Problem 409
    `subject.licence_known` when the licence belongs to a third subject of the same authority.
    """
    kept, other = pair
    object_type, now, merge_id = DuplicateType(duplicate.object_type), utc_now(), new_id()
    before = [snapshots.state_of(personal, row) for row in pair]
    shown = await _identifiers(session, pair)
    _mark(kept, other, now)
    await session.flush()
    _write(personal, kept, other, before[0], fields, now)
    await _flush(session)
    owned = await repository.owned(session, object_type, other.id)
    moved = await _move(session, object_type, owned, other.id, kept.id)
    after = [snapshots.state_of(personal, row) for row in pair]
    for row, was, became in zip(pair, before, after, strict=True):
        await _note(session, personal, claims, object_type, (row.id, was, became), merge_id, now)
    await _note_moved(session, personal, claims, moved, (other.id, kept.id), merge_id, now)
    done = Merge(
        id=merge_id,
        duplicate_id=duplicate.id,
        object_type=object_type.value,
        kept_id=kept.id,
        merged_id=other.id,
        fields={one.field: one.choice.value for one in fields if one.conflict},
        moved=moved,
        snapshot=_sealed(personal, merge_id, before, after, shown),
        at=now,
        by=claims.sub,
        by_name=claims.name,
        org_code=claims.org,
    )
    session.add(done)
    _decide(duplicate, claims, DuplicateState.MERGED, now)
    await session.flush()
    await _audit(session, claims, "duplicate.merged", done)
    if isinstance(kept, Presence):
        await repository.end_identifiers(session, other.no, now)
        await _show(session, personal, [kept], now)
        await linking.changed(session, [kept.no, other.no])  # judgements of the one bind the other now
    return done


async def unmerge(
    session: AsyncSession,
    personal: PersonalData,
    claims: Claims,
    duplicate: Duplicate,
    done: Merge,
    pair: tuple[Any, Any],
) -> list[str]:
    """Take a merge back: both records say what they said, what moved moves back.

    What somebody changed since stays as it is; gives the names of those columns. Raises Problem 409
    `merge.later` while the kept record took part in a later merge, 500 `merge.unreadable`.
    """
    if later := await repository.later_merge(session, done):
        raise _later(later)
    object_type, now = DuplicateType(done.object_type), utc_now()
    snapshot = _opened(personal, done)
    current = [snapshots.state_of(personal, row) for row in pair]
    edits: list[str] = []
    # The merged record gives its licence free only when the kept one no longer holds it: kept first.
    for row, was, became, now_is in zip(pair, snapshot["before"], snapshot["after"], current, strict=True):
        edits += _restore(personal, row, was, became, now_is, now)
        await _flush(session)
    moved = await _move(session, object_type, done.moved, done.kept_id, done.merged_id)
    edits += [kind for kind, ids in done.moved.items() if len(moved[kind]) < len(ids)]
    for row, was in zip(pair, current, strict=True):
        states = (row.id, was, snapshots.state_of(personal, row))
        await _note(session, personal, claims, object_type, states, done.id, now)
    await _note_moved(session, personal, claims, moved, (done.kept_id, done.merged_id), done.id, now)
    if object_type is DuplicateType.PRESENCE:
        await repository.restore_identifiers(session, [row.no for row in pair], snapshot["identifiers"])
    done.undone_at, done.undone_by, done.undone_by_name = now, claims.sub, claims.name
    _decide(duplicate, claims, DuplicateState.OPEN, now)
    await session.flush()
    await _audit(session, claims, "duplicate.unmerged", done, edits)
    if object_type is DuplicateType.PRESENCE:
        if edits or any(map(_edited, snapshot["after"], current)):
            await _show(session, personal, pair, now)
        else:
            await linking.changed(session, [row.no for row in pair])
    return edits


def _sealed(personal: PersonalData, merge_id: str, before: Any, after: Any, shown: Any) -> bytes:
    states = {"before": before, "after": after, "identifiers": shown}
    return personal.seal_block(snapshots.pack(states), merge_id)


def _mark(kept: Any, other: Any, now: datetime) -> None:
    other.status, other.merged_into, other.updated_at = MERGED, kept.id, now
    if isinstance(other, Subject) and other.org_code == kept.org_code:
        other.licence_norm = None  # one authority has a licence once: the kept record may need it


async def _move(
    session: AsyncSession,
    object_type: DuplicateType,
    owned: Mapping[str, list[str]],
    source: str,
    target: str,
) -> dict[str, list[str]]:
    return {
        kind: await repository.move(session, object_type, kind, ids, source, target)
        for kind, ids in owned.items()
    }


def _decide(duplicate: Duplicate, claims: Claims, state: DuplicateState, now: datetime) -> None:
    duplicate.state, duplicate.decided_at = state.value, now
    duplicate.decided_by, duplicate.decided_by_name = claims.sub, claims.name


async def _flush(session: AsyncSession) -> None:
    try:
        await session.flush()
    except IntegrityError as error:
        raise known_licence(None) from error


async def _identifiers(session: AsyncSession, pair: tuple[Any, Any]) -> list[dict[str, Any]]:
    if not isinstance(pair[0], Presence):
        return []
    return snapshots.identifier_rows(await repository.identifiers(session, [row.no for row in pair]))


def _write(
    personal: PersonalData,
    kept: Any,
    other: Any,
    before: Mapping[str, Any],
    fields: list[Planned],
    now: datetime,
) -> None:
    """Give the kept record what was planned, and what adds up without any choice."""
    private = dict(before["personal"])
    for one in fields:
        if one.personal:
            private[one.field] = one.result
        else:
            setattr(kept, one.field, one.result)
    kept.tags = sorted({*kept.tags, *other.tags})
    kept.risk = max(kept.risk, other.risk)
    kept.first_seen, kept.last_seen = (
        min(kept.first_seen, other.first_seen),
        max(kept.last_seen, other.last_seen),
    )
    inspected = [at for at in (kept.last_inspected_at, other.last_inspected_at) if at]
    kept.last_inspected_at = max(inspected, default=None)
    if isinstance(kept, Subject):
        lost = [name for name in (before["name"], other.name) if name != kept.name]
        kept.former_names = former_names(kept.former_names, other.former_names, *lost)
        kept.regno15 = former_names(kept.regno15, other.regno15)
    elif other.categories:
        kept.categories = list(dict.fromkeys([*kept.categories, *other.categories]))
    kept.updated_at = now
    _derive(personal, kept, private)


def _derive(personal: PersonalData, row: Any, private: Mapping[str, str]) -> None:
    """Bring the columns that follow from others up to date."""
    plain = {name: getattr(row, name, None) for name in ("name", "licence", "icp", "police_no")}
    plain |= {name: getattr(row, name, None) for name in ("platform", "native_id", "source_id", "url")}
    row.personal = sealed(personal, row.id, private)
    row.contact_grams = contact_grams(personal_of(private), row.region_code, personal.gram)
    row.search_text, row.grams = searchable(plain, row.region_code)
    row.warnings = [found.as_json() for found in check_fields({**plain, **private})]
    if isinstance(row, Subject):
        row.licence_kind = licence_kind(row.licence)
        row.licence_norm = compact(row.licence) if row.licence else None
    else:
        row.domain = domain_of(row.url)


def _restore(
    personal: PersonalData,
    row: Any,
    before: snapshots.State,
    after: snapshots.State,
    current: snapshots.State,
    now: datetime,
) -> list[str]:
    ours = snapshots.changed(before, after)
    edits = {name for name in ours - snapshots.DERIVED if current[name] != after[name]}
    back = {name: before[name] for name in ours - edits}
    if "personal" in edits:
        back["personal"], edits = _private(before["personal"], after["personal"], current["personal"], edits)
    derived = {name for name in snapshots.DERIVED & current.keys() if current[name] != after[name]}
    snapshots.put_back(personal, row, back)
    row.updated_at = now
    if edits or derived:
        _derive(personal, row, back["personal"] if "personal" in back else current["personal"])
    return sorted(edits - _NO_EDIT)


def _edited(after: snapshots.State, current: snapshots.State) -> bool:
    return bool(snapshots.changed(after, current) - snapshots.DERIVED - _NO_EDIT)


def _private(
    before: Mapping[str, str], after: Mapping[str, str], current: Mapping[str, str], edits: set[str]
) -> tuple[dict[str, str], set[str]]:
    """Personal values go back one by one: those that were changed since stay."""
    names = {*before, *after, *current}
    kept = {
        name for name in names if before.get(name) != after.get(name) and current.get(name) != after.get(name)
    }
    touched = {name for name in names if current.get(name) != after.get(name)}
    values = {name: current.get(name) if name in touched else before.get(name) for name in names}
    return {name: value for name, value in values.items() if value}, (edits - {"personal"}) | kept


async def _show(
    session: AsyncSession, personal: PersonalData, rows: Sequence[Presence], now: datetime
) -> None:
    states = {row.no: snapshots.state_of(personal, row) for row in rows}
    shops = {no: {**state, **state["personal"]} for no, state in states.items()}
    await show(session, personal, shops, source="merge", now=now)


async def _note(
    session: AsyncSession,
    personal: PersonalData,
    claims: Claims,
    object_type: DuplicateType,
    states: tuple[str, snapshots.State, snapshots.State],
    merge_id: str,
    now: datetime,
) -> None:
    object_id, before, after = states
    names = snapshots.changed(before, after) - snapshots.DERIVED - {"personal"}
    found = [Changed(name, _json(before[name]), _json(after[name])) for name in sorted(names)]
    for name in PERSONAL:
        old, new = before["personal"].get(name), after["personal"].get(name)
        if old != new:
            found.append(Changed(name, old, new))
    source = f"merge:{merge_id}"
    await note(session, personal, claims, object_type.value, object_id, found, source=source, at=now)


async def _note_moved(
    session: AsyncSession,
    personal: PersonalData,
    claims: Claims,
    moved: Mapping[str, list[str]],
    owners: tuple[str, str],
    merge_id: str,
    now: datetime,
) -> None:
    change = [Changed("subject_id", *owners)]
    for presence_id in moved.get("presences", []):
        source = f"merge:{merge_id}"
        await note(session, personal, claims, "presence", presence_id, change, source=source, at=now)


def _json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def _opened(personal: PersonalData, done: Merge) -> dict[str, Any]:
    try:
        snapshot: dict[str, Any] = snapshots.unpack(personal.open_block(done.snapshot, done.id))
    except PersonalDataError as error:
        raise Problem(
            "merge.unreadable",
            500,
            zh="合并前的内容无法打开（已损坏或密钥不符），不能撤销合并",
            en="what the records said before does not open: the merge cannot be taken back",
            todo_zh="请将合并编号告知系统管理员",
            todo_en="tell the system administrator the number of the merge",
            extra={"merge_id": done.id},
        ) from error
    return snapshot


def _later(merge_id: str) -> Problem:
    return Problem(
        "merge.later",
        409,
        zh="保留的记录之后又参与了合并，须先撤销那一次",
        en="the kept record took part in a later merge: take that one back first",
        todo_zh="请先撤销较晚的合并",
        todo_en="take back the later merge first",
        extra={"merge_id": merge_id},
    )


async def _audit(
    session: AsyncSession, claims: Claims, event: str, done: Merge, edits: list[str] | None = None
) -> None:
    await record(
        session,
        claims,
        event=event,
        object_type=done.object_type,
        object_id=done.kept_id,
        after={
            "merge_id": done.id,
            "merged_id": done.merged_id,
            "fields": done.fields,
            "moved": {kind: len(ids) for kind, ids in done.moved.items()},
            **({"kept_edits": edits} if edits else {}),
        },
    )
