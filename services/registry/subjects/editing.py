"""Use case of changing a subject: every value it had before stays in its history."""

from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.audit import record
from services.common.clock import utc_now
from services.common.identity import Claims
from services.common.personal import PersonalData
from services.common.problems import not_found
from services.registry.changes.rules import Changed, compared
from services.registry.changes.service import note
from services.registry.editing import audited, refuse_stale
from services.registry.identifiers.rules import check_fields, compact, licence_kind
from services.registry.personal.rules import PERSONAL, personal_of
from services.registry.personal.service import readable, sealed
from services.registry.search.rules import contact_grams
from services.registry.subjects import repository
from services.registry.subjects.models import Subject
from services.registry.subjects.rules import searchable
from services.registry.subjects.schemas import SubjectOut, SubjectPatch
from services.registry.subjects.service import known_licence, plain, whole


async def edit_subject(
    session: AsyncSession, personal: PersonalData, claims: Claims, subject_id: str, given: SubjectPatch
) -> SubjectOut:
    """Change what is given of a subject, and keep the old values in its history.

    Raises Problem 404 when not visible, 409 `record.changed` when somebody was faster, 409
    `subject.licence_known` for a licence the authority has already.
    """
    subject = await repository.for_change(session, claims, subject_id)
    if subject is None:
        raise not_found("主体", "subject")
    refuse_stale(subject.updated_at, given.seen_at)
    before = {**plain(subject), **readable(personal, subject)}
    wanted = given.model_dump(exclude_unset=True, exclude={"seen_at", "reason"}, mode="json")
    changed = compared(before, wanted)
    if changed:
        _apply(personal, subject, {**before, **wanted}, changed)
        await _keep(session, subject)
        await note(
            session, personal, claims, "subject", subject_id, changed, source="manual", at=subject.updated_at
        )
        old, new = audited(changed, given.reason)
        await record(
            session,
            claims,
            event="subject.changed",
            object_type="subject",
            object_id=subject_id,
            before=old,
            after=new,
        )
    return await whole(session, personal, claims, subject)


def _apply(personal: PersonalData, subject: Subject, values: dict[str, Any], changed: list[Changed]) -> None:
    for one in changed:
        if one.field == "registered_at":
            subject.registered_at = SubjectPatch.model_validate({"registered_at": one.new}).registered_at
        elif not one.personal:
            setattr(subject, one.field, one.new)
    subject.licence_kind = licence_kind(subject.licence)
    subject.licence_norm = compact(subject.licence) if subject.licence else None
    if any(one.personal for one in changed):
        subject.personal = sealed(personal, subject.id, values)
        subject.contact_grams = contact_grams(personal_of(values), subject.region_code, personal.gram)
    unsealed = {k: v for k, v in values.items() if k not in PERSONAL}
    subject.search_text, subject.grams = searchable(unsealed, subject.region_code)
    subject.warnings = [f.as_json() for f in check_fields(values)]
    subject.updated_at = utc_now()


async def _keep(session: AsyncSession, subject: Subject) -> None:
    try:
        await session.flush()
    except IntegrityError as error:
        raise known_licence(None) from error
