"""SQL of duplicates and merges; every read and every proposal is scoped by region here."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from services.common.identity import Claims
from services.common.scope import region_filter, region_prefix
from services.registry.duplicates.models import Duplicate, Merge
from services.registry.duplicates.rules import REASONS, DuplicateRule, DuplicateType
from services.registry.duplicates.schemas import DuplicateQuery
from services.registry.identifiers.models import Identifier
from services.registry.inspections.models import Inspection
from services.registry.permits.models import Permit
from services.registry.presences.models import Presence
from services.registry.subjects.models import Subject

Record = Subject | Presence
RECORDS: Final[dict[DuplicateType, Any]] = {DuplicateType.SUBJECT: Subject, DuplicateType.PRESENCE: Presence}
MOST_IN_GROUP: Final = 50
"""A value that more records share than this tells nothing about two of them."""
MOST_FOUND: Final = 20_000
_NAME: Final = "lower(regexp_replace(normalize(name, NFKC), '\\s', '', 'g'))"
_URL: Final = "lower(regexp_replace(regexp_replace(url, '^https?://(www\\.)?', '', 'i'), '/+$', ''))"
_LICENCE: Final = "licence_norm ~ '^[0-9A-Z]{15,18}$' AND licence_norm !~ '^(.)\\1+$'"
# table, what must be equal, what must be there
_EQUAL: Final[dict[DuplicateRule, tuple[str, str, str]]] = {
    DuplicateRule.SAME_LICENCE: ("subjects", "licence_norm", _LICENCE),
    DuplicateRule.NATIVE_ID: ("presences", "platform, native_id", "platform <> '' AND native_id <> ''"),
    DuplicateRule.SAME_URL: ("presences", _URL, "url LIKE '%_._%'"),
}
_INSERT: Final = (
    " INSERT INTO duplicates AS d (object_type, first_id, second_id, reasons, score, found_at)"
    " SELECT :object_type, least(a, b), greatest(a, b), jsonb_build_array(CAST(:code AS text)), :score, :now"
    " FROM (SELECT DISTINCT least(a, b) AS a, greatest(a, b) AS b FROM found WHERE NOT EXISTS ("
    "SELECT FROM duplicates k WHERE k.object_type = :object_type AND k.first_id = least(a, b)"
    " AND k.second_id = greatest(a, b) AND k.reasons @> jsonb_build_array(CAST(:code AS text)))"
    " LIMIT :most) AS pairs"
    " ON CONFLICT (object_type, first_id, second_id) DO UPDATE"
    " SET reasons = CASE WHEN excluded.score > d.score THEN excluded.reasons || d.reasons"
    " ELSE d.reasons || excluded.reasons END, score = greatest(d.score, excluded.score)"
    " WHERE NOT d.reasons @> excluded.reasons AND d.state <> 'merged'"
    " RETURNING (xmax = 0) AS new"
)
_FORMER: Final = (
    "WITH found AS (SELECT s.id AS a, o.id AS b FROM subjects s"
    " CROSS JOIN LATERAL jsonb_array_elements(s.regno15) AS former"
    " JOIN subjects o ON o.licence_norm = former ->> 'value' AND o.id <> s.id"
    " WHERE s.status <> 'merged' AND o.status <> 'merged' AND s.region_code LIKE :scope"
    " AND o.region_code LIKE :scope)"
)
_NAMED: Final = (
    f"WITH named AS (SELECT no, id, platform, {_NAME} AS named FROM presences"  # noqa: S608
    " WHERE status <> 'merged' AND region_code LIKE :scope AND platform <> ''),"
    " grouped AS (SELECT *, count(*) OVER (PARTITION BY platform, named) AS size FROM named),"
    " found AS (SELECT one.id AS a, two.id AS b FROM grouped one JOIN grouped two"
    " ON two.platform = one.platform AND two.named = one.named AND two.no > one.no"
    " WHERE one.size BETWEEN 2 AND :group AND EXISTS (SELECT FROM identifiers i JOIN identifiers j"
    " ON j.kind = i.kind AND j.key = i.key AND j.ended_at IS NULL AND j.presence_no = two.no"
    " WHERE i.presence_no = one.no AND i.ended_at IS NULL AND i.kind = ANY(ARRAY[1, 2, 3, 4, 5, 6, 9])))"
)
_NAMESAKES: Final = text(
    f"SELECT id, named, personal FROM (SELECT id, personal, {_NAME} AS named, count(*)"  # noqa: S608
    f" OVER (PARTITION BY {_NAME}) AS size FROM subjects"
    " WHERE status <> 'merged' AND region_code LIKE :scope AND personal IS NOT NULL) AS g"
    " WHERE size BETWEEN 2 AND :group ORDER BY named, id LIMIT :most"
)


def _found(reason: DuplicateRule) -> str:
    table, key, there = _EQUAL[reason]
    return (
        f"WITH keyed AS (SELECT id, first_value(id) OVER w AS first, count(*) OVER"  # noqa: S608
        f" (PARTITION BY {key}) AS size FROM {table} WHERE status <> 'merged' AND region_code LIKE :scope"
        f" AND {there} WINDOW w AS (PARTITION BY {key} ORDER BY id)),"
        " found AS (SELECT first AS a, id AS b FROM keyed WHERE id <> first AND size <= :group)"
    )


async def propose(
    session: AsyncSession, claims: Claims, object_type: DuplicateType, reason: DuplicateRule, now: datetime
) -> list[bool]:
    """Propose the pairs of the caller's region that this rule finds; True for each new pair, False for
    a known one with a new reason. A group of n records gives n - 1 pairs, with its oldest.
    """
    found = (
        _FORMER
        if reason is DuplicateRule.FORMER_NUMBER
        else _NAMED
        if reason is DuplicateRule.NAME_PLATFORM_CONTACT
        else _found(reason)
    )
    values = {**_values(claims, object_type, reason, now), "scope": _scope(claims), "group": MOST_IN_GROUP}
    return list((await session.scalars(text(found + _INSERT), values)).all())


async def propose_pairs(
    session: AsyncSession,
    claims: Claims,
    reason: DuplicateRule,
    pairs: Sequence[tuple[str, str]],
    now: datetime,
) -> list[bool]:
    """Propose pairs of subjects that were found by comparing opened values."""
    if not pairs:
        return []
    found = "WITH found AS (SELECT * FROM unnest(CAST(:a AS text[]), CAST(:b AS text[])) AS pair (a, b))"
    values = _values(claims, DuplicateType.SUBJECT, reason, now)
    one, other = (list(side) for side in zip(*pairs, strict=True))
    return list((await session.scalars(text(found + _INSERT), {**values, "a": one, "b": other})).all())


def _values(
    claims: Claims, object_type: DuplicateType, reason: DuplicateRule, now: datetime
) -> dict[str, Any]:
    return {
        "object_type": object_type.value,
        "code": reason.value,
        "score": REASONS[reason][2],
        "now": now,
        "most": MOST_FOUND,
    }


def _scope(claims: Claims) -> str:
    return f"{region_prefix(claims.region)}%"


async def namesakes(session: AsyncSession, claims: Claims) -> list[tuple[str, str, bytes]]:
    """`(id, name as compared, sealed values)` of the caller's subjects that bear another one's name."""
    values = {"scope": _scope(claims), "group": MOST_IN_GROUP, "most": MOST_FOUND}
    return [(row.id, row.named, row.personal) for row in await session.execute(_NAMESAKES, values)]


def _both_visible(claims: Claims) -> ColumnElement[bool]:
    """Both records of the pair lie in the caller's subtree."""
    kinds = []
    for object_type, record in RECORDS.items():
        one, two = aliased(record), aliased(record)
        kinds.append(
            and_(
                Duplicate.object_type == object_type.value,
                select(one.id)
                .where(one.id == Duplicate.first_id, region_filter(one.region_code, claims))
                .exists(),
                select(two.id)
                .where(two.id == Duplicate.second_id, region_filter(two.region_code, claims))
                .exists(),
            )
        )
    return or_(*kinds)


async def page(session: AsyncSession, claims: Claims, query: DuplicateQuery) -> list[Duplicate]:
    """One row more than the page of proposals whose records the caller may see, newest first."""
    statement = (
        select(Duplicate)
        .where(Duplicate.state == query.state.value, _both_visible(claims))
        .order_by(Duplicate.id.desc())
        .limit(query.limit + 1)
    )
    if query.object_type:
        statement = statement.where(Duplicate.object_type == query.object_type.value)
    if query.reason:
        statement = statement.where(Duplicate.reasons.contains([query.reason.value]))
    if query.after is not None:
        statement = statement.where(Duplicate.id < query.after)
    return list((await session.scalars(statement)).all())


async def visible(
    session: AsyncSession, claims: Claims, duplicate_id: int, *, lock: bool = False
) -> Duplicate | None:
    """The proposal when the caller may see both records; locked until the transaction ends if asked."""
    statement = select(Duplicate).where(Duplicate.id == duplicate_id, _both_visible(claims))
    return (await session.scalars(statement.with_for_update() if lock else statement)).one_or_none()


async def records(
    session: AsyncSession,
    claims: Claims,
    object_type: DuplicateType,
    ids: Sequence[str],
    *,
    lock: bool = False,
) -> dict[str, Any]:
    """Subjects or presences the caller may see, by id; locked in the order of their ids if asked."""
    record = RECORDS[object_type]
    statement = select(record).where(record.id.in_(ids), region_filter(record.region_code, claims))
    if lock:
        statement = statement.order_by(record.id).with_for_update()
    return {row.id: row for row in (await session.scalars(statement)).all()}


_OWNED: Final[dict[DuplicateType, dict[str, tuple[Any, Any]]]] = {
    DuplicateType.SUBJECT: {
        "presences": (Presence.id, Presence.subject_id),
        "permits": (Permit.id, Permit.subject_id),
    },
    DuplicateType.PRESENCE: {
        "permits": (Permit.id, Permit.presence_id),
        "inspections": (Inspection.id, Inspection.presence_id),
    },
}


async def owned(session: AsyncSession, object_type: DuplicateType, owner_id: str) -> dict[str, list[str]]:
    """Ids of what hangs on a record, by kind; the caller has found the record visible."""
    return {
        kind: list((await session.scalars(select(row_id).where(owner == owner_id).order_by(row_id))).all())
        for kind, (row_id, owner) in _OWNED[object_type].items()
    }


async def move(
    session: AsyncSession, object_type: DuplicateType, kind: str, ids: Sequence[str], source: str, target: str
) -> list[str]:
    """Hang rows on another record; gives the ids of those that still hung on `source`."""
    row_id, owner = _OWNED[object_type][kind]
    statement = (
        update(row_id.class_)
        .where(row_id.in_(ids), owner == source)
        .values({owner.key: target})
        .returning(row_id)
        .execution_options(synchronize_session=False)
    )
    return list((await session.scalars(statement)).all())


async def identifiers(session: AsyncSession, presence_nos: Sequence[int]) -> list[Identifier]:
    """What presences show and showed; the caller has found them visible."""
    statement = select(Identifier).where(Identifier.presence_no.in_(presence_nos))
    return list((await session.scalars(statement)).all())


async def restore_identifiers(
    session: AsyncSession, presence_nos: Sequence[int], rows: Sequence[dict[str, Any]]
) -> None:
    """Put back what presences showed."""
    await session.execute(
        text("DELETE FROM identifiers WHERE presence_no = ANY(:nos)"), {"nos": list(presence_nos)}
    )
    if rows:
        await session.execute(insert(Identifier), list(rows))


async def end_identifiers(session: AsyncSession, presence_no: int, now: datetime) -> None:
    """A merged presence shows nothing of its own any more."""
    await session.execute(
        update(Identifier)
        .where(Identifier.presence_no == presence_no, Identifier.ended_at.is_(None))
        .values(ended_at=now)
        .execution_options(synchronize_session=False)
    )


async def standing_merge(session: AsyncSession, duplicate_id: int) -> Merge | None:
    """The merge made from this proposal that was not taken back; the caller has found it visible."""
    statement = select(Merge).where(Merge.duplicate_id == duplicate_id, Merge.undone_at.is_(None))
    return (await session.scalars(statement)).one_or_none()


async def later_merge(session: AsyncSession, merge: Merge) -> str | None:
    """Id of a later standing merge in which the kept record took part; None when there is none."""
    statement = (
        select(Merge.id)
        .where(
            or_(Merge.kept_id == merge.kept_id, Merge.merged_id == merge.kept_id),
            Merge.undone_at.is_(None),
            Merge.id > merge.id,
        )
        .limit(1)
    )
    return (await session.scalars(statement)).one_or_none()
