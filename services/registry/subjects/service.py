"""Use cases of subjects."""

from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.audit import record
from services.common.clock import utc_now
from services.common.identity import Claims
from services.common.ids import new_id
from services.common.paging import Page
from services.common.personal import PersonalData
from services.common.problems import Problem, not_found
from services.common.scope import region_covers
from services.registry.changes.schemas import ChangeOut, OriginOut
from services.registry.changes.service import history, origins
from services.registry.identifiers.rules import check_fields, compact, licence_kind
from services.registry.permits import repository as permits
from services.registry.permits.models import Permit
from services.registry.permits.schemas import PermitIn, PermitOut, PermitPatch
from services.registry.permits.service import change, enter
from services.registry.permits.service import shown as permit_shown
from services.registry.personal.rules import PERSONAL, personal_of
from services.registry.personal.schemas import RevealIn, RevealOut
from services.registry.personal.service import readable, reveal, sealed, shown
from services.registry.presences.models import Presence
from services.registry.presences.rules import CHANNEL_LABELS, Channel
from services.registry.regions.schemas import PlaceOut
from services.registry.regions.service import registered_in
from services.registry.search.rules import contact_grams
from services.registry.subjects import repository
from services.registry.subjects.models import Subject
from services.registry.subjects.rules import (
    KIND_LABELS,
    STATUS_LABELS,
    SubjectKind,
    kind_of,
    searchable,
)
from services.registry.subjects.schemas import (
    SubjectIn,
    SubjectOut,
    SubjectPatch,
    SubjectPresence,
    SubjectRow,
)
from services.registry.tags.schemas import TagRef
from services.registry.tags.service import refs


async def get_subject(
    session: AsyncSession, personal: PersonalData, claims: Claims, subject_id: str
) -> SubjectOut:
    """One subject in full, personal values masked; the look is recorded. Raises 404 when not visible."""
    subject = await _visible(session, claims, subject_id)
    await record(session, claims, event="subject.viewed", object_type="subject", object_id=subject_id)
    return await whole(session, personal, claims, subject)


async def whole(
    session: AsyncSession, personal: PersonalData, claims: Claims, subject: Subject
) -> SubjectOut:
    """A visible subject with its presences, permits and tags."""
    return _full(
        personal,
        subject,
        presences=await repository.presences_of(session, claims, subject.id),
        permits=await permits.of(session, subject_id=subject.id),
        tags=await refs(session, subject.tags),
        place=await registered_in(session, subject.licence_norm),
    )


async def reveal_subject(
    session: AsyncSession, personal: PersonalData, claims: Claims, subject_id: str, given: RevealIn
) -> RevealOut:
    """The personal values of a subject in full, for a purpose. Raises 404 when not visible."""
    return await reveal(
        session, personal, claims, "subject", await _visible(session, claims, subject_id), given
    )


async def subject_history(
    session: AsyncSession, personal: PersonalData, claims: Claims, subject_id: str, cursor: str | None
) -> Page[ChangeOut]:
    """One page of what changed of a subject, newest first. Raises 404 when not visible."""
    await _visible(session, claims, subject_id)
    return await history(session, personal, "subject", subject_id, cursor)


def plain(subject: Subject) -> dict[str, Any]:
    """The values of a subject that lie in the open, as they compare."""
    values = {name: getattr(subject, name) for name in SubjectPatch.model_fields if hasattr(Subject, name)}
    values["registered_at"] = subject.registered_at.isoformat() if subject.registered_at else None
    return values


async def subject_origins(
    session: AsyncSession, personal: PersonalData, claims: Claims, subject_id: str
) -> list[OriginOut]:
    """Where each value of a subject comes from, and when it was seen. Raises 404 when not visible."""
    subject = await _visible(session, claims, subject_id)
    values = {**plain(subject), **readable(personal, subject)}
    return await origins(session, "subject", subject, [field for field, value in values.items() if value])


async def enter_permit(session: AsyncSession, claims: Claims, subject_id: str, given: PermitIn) -> PermitOut:
    """Enter a permit of a subject. Raises 404 when not visible, 422 `permit.period`."""
    subject = await _visible(session, claims, subject_id)
    return await enter(session, claims, given, region=subject.region_code, subject_id=subject_id)


async def change_permit(
    session: AsyncSession,
    personal: PersonalData,
    claims: Claims,
    subject_id: str,
    permit_id: str,
    given: PermitPatch,
) -> PermitOut:
    """Change a permit of a subject. Raises 404 when either is not visible, 422 `permit.period`."""
    await _visible(session, claims, subject_id)
    return await change(session, personal, claims, permit_id, subject_id, given)


async def _visible(session: AsyncSession, claims: Claims, subject_id: str) -> Subject:
    subject = await repository.visible(session, claims, subject_id)
    if subject is None:
        raise not_found("主体", "subject")
    return subject


async def create_subject(
    session: AsyncSession, personal: PersonalData, claims: Claims, given: SubjectIn
) -> SubjectOut:
    """Enter a subject. Raises 403 outside the caller's region, 409 for a licence already entered."""
    region = owned_region(claims, given.region_code)
    values = given.model_dump(exclude={"kind", "region_code"})
    text, grams = searchable(values, region)
    subject_id, now = new_id(), utc_now()
    subject = Subject(
        id=subject_id,
        **{name: value for name, value in values.items() if name not in PERSONAL},
        personal=sealed(personal, subject_id, values),
        contact_grams=contact_grams(personal_of(values), region, personal.gram),
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
        raise known_licence(None) from error
    await record(
        session,
        claims,
        event="subject.created",
        object_type="subject",
        object_id=subject.id,
        after={"name": subject.name, "licence": subject.licence, "region_code": region},
    )
    return await whole(session, personal, claims, subject)


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
            raise known_licence(known)


def known_licence(subject_id: str | None) -> Problem:
    """409 for a licence number the authority has already; subject_id: whose, when known."""
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
        "status": subject.status,
        "risk": subject.risk,
        "tag_ids": subject.tags,
        "last_inspected_at": subject.last_inspected_at,
        "warning_count": len(subject.warnings),
        "created_at": subject.created_at,
        "updated_at": subject.updated_at,
    }


def row(personal: PersonalData, subject: Subject) -> SubjectRow:
    """A subject as lists show it: personal values masked."""
    return SubjectRow.model_validate({**_common(subject), **shown(personal, subject)})


def _full(
    personal: PersonalData,
    subject: Subject,
    *,
    presences: list[Presence],
    permits: list[Permit],
    tags: list[TagRef],
    place: PlaceOut | None,
) -> SubjectOut:
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
    plain = {n: getattr(subject, n) for n in SubjectOut.model_fields if hasattr(Subject, n)}
    zh, en = STATUS_LABELS.get(subject.status, (subject.status, subject.status))
    return SubjectOut.model_validate(
        {
            **plain,
            **_common(subject),
            **shown(personal, subject),
            "status_zh": zh,
            "status_en": en,
            "presences": listed,
            "permits": [permit_shown(permit) for permit in permits],
            "tags": tags,
            "registered_in": place,
        }
    )
