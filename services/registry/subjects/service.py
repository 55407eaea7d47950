"""Use cases of subjects."""

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.audit import record
from services.common.clock import utc_now
from services.common.identity import Claims
from services.common.ids import new_id
from services.common.paging import Page, encode_cursor
from services.common.personal import PersonalData
from services.common.problems import Problem, not_found
from services.common.scope import region_covers
from services.common.wire import ListQuery
from services.registry.identifiers.rules import check_fields, compact, licence_kind
from services.registry.personal.rules import PERSONAL, personal_of
from services.registry.personal.service import sealed, shown
from services.registry.presences.models import Presence
from services.registry.presences.rules import CHANNEL_LABELS, Channel
from services.registry.search.rules import contact_grams
from services.registry.subjects import repository
from services.registry.subjects.models import Subject
from services.registry.subjects.rules import KIND_LABELS, SubjectKind, kind_of, searchable
from services.registry.subjects.schemas import SubjectIn, SubjectOut, SubjectPresence, SubjectRow


async def list_subjects(
    session: AsyncSession, personal: PersonalData, claims: Claims, query: ListQuery, kind: str | None
) -> Page[SubjectRow]:
    """One page of the subjects the caller may see, newest first, contacts masked."""
    rows, total, capped = await repository.page(session, claims, query, kind, personal.gram)
    listed = rows[: query.limit]
    return Page(
        items=[_row(personal, subject) for subject in listed],
        next_cursor=encode_cursor([listed[-1].id]) if len(rows) > query.limit else None,
        total=total,
        total_capped=capped,
    )


async def get_subject(
    session: AsyncSession, personal: PersonalData, claims: Claims, subject_id: str
) -> SubjectOut:
    """One subject in full, personal values masked; the look is recorded. Raises 404 when not visible."""
    subject = await repository.visible(session, claims, subject_id)
    if subject is None:
        raise not_found("主体", "subject")
    presences = await repository.presences_of(session, claims, subject_id)
    await record(session, claims, event="subject.viewed", object_type="subject", object_id=subject_id)
    return _full(personal, subject, presences)


async def create_subject(
    session: AsyncSession, personal: PersonalData, claims: Claims, given: SubjectIn
) -> SubjectOut:
    """Enter a subject. Raises 403 outside the caller's region, 409 for a licence already entered."""
    region = owned_region(claims, given.region_code)
    values = given.model_dump(exclude={"kind", "region_code"})
    text, grams = searchable(values)
    subject_id, now = new_id(), utc_now()
    subject = Subject(
        id=subject_id,
        **{name: value for name, value in values.items() if name not in PERSONAL},
        personal=sealed(personal, subject_id, values),
        contact_grams=contact_grams(personal_of(values), personal.gram),
        kind=(given.kind or kind_of(given.licence)).value,
        licence_kind=licence_kind(given.licence),
        licence_norm=compact(given.licence) if given.licence else None,
        source="manual",
        warnings=[f.as_json() for f in check_fields(values)],
        search_text=text,
        grams=grams,
        org_code=claims.org,
        region_code=region,
        created_by=claims.sub,
        created_at=now,
        updated_at=now,
    )
    await _refuse_double(session, subject)
    try:
        await repository.add(session, subject)
    except IntegrityError as error:
        raise _known_licence(None) from error
    await record(
        session,
        claims,
        event="subject.created",
        object_type="subject",
        object_id=subject.id,
        after={"name": subject.name, "licence": subject.licence, "region_code": region},
    )
    return _full(personal, subject, [])


def owned_region(claims: Claims, wanted: str | None) -> str:
    """The region a new row belongs to. Raises 403 `region.outside` beyond the caller's subtree."""
    if wanted is None or wanted == claims.region:
        return claims.region
    if not region_covers(claims.region, wanted):
        raise Problem(
            "region.outside",
            403,
            zh="所选区划不在本单位辖区内",
            en="that region lies outside your authority's area",
            todo_zh="请选择本辖区内的区划",
            todo_en="choose a region inside your own area",
        )
    return wanted


async def _refuse_double(session: AsyncSession, subject: Subject) -> None:
    if subject.licence_norm:
        known = await repository.same_licence(session, subject.org_code, subject.licence_norm)
        if known:
            raise _known_licence(known)


def _known_licence(subject_id: str | None) -> Problem:
    return Problem(
        "subject.licence_known",
        409,
        zh="本单位已登记该证照号码的主体",
        en="your authority already has a subject with this licence number",
        todo_zh="请打开已有主体",
        todo_en="open the existing subject",
        extra={"subject_id": subject_id},
    )


def _common(subject: Subject) -> dict[str, object]:
    zh, en = KIND_LABELS[SubjectKind(subject.kind)]
    return {
        "id": subject.id,
        "name": subject.name,
        "kind": subject.kind,
        "kind_zh": zh,
        "kind_en": en,
        "licence": subject.licence,
        "licence_kind": subject.licence_kind,
        "source": subject.source,
        "org_code": subject.org_code,
        "region_code": subject.region_code,
        "warning_count": len(subject.warnings),
        "created_at": subject.created_at,
        "updated_at": subject.updated_at,
    }


def _row(personal: PersonalData, subject: Subject) -> SubjectRow:
    return SubjectRow.model_validate({**_common(subject), **shown(personal, subject)})


def _full(personal: PersonalData, subject: Subject, presences: list[Presence]) -> SubjectOut:
    listed = [
        SubjectPresence(
            id=p.id,
            name=p.name,
            channel=p.channel,
            channel_zh=CHANNEL_LABELS[Channel(p.channel)][0],
            channel_en=CHANNEL_LABELS[Channel(p.channel)][1],
            platform=p.platform,
            url=p.url,
        )
        for p in presences
    ]
    extra = {"warnings": subject.warnings, "presences": listed}
    return SubjectOut.model_validate({**_common(subject), **shown(personal, subject), **extra})
