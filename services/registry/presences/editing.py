"""Use case of changing a presence: every value it had before stays in its history."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.common.audit import record
from services.common.clock import utc_now
from services.common.identity import Claims
from services.common.personal import PersonalData
from services.common.problems import not_found
from services.registry.changes.rules import Changed, compared
from services.registry.changes.service import note
from services.registry.editing import audited, refuse_stale
from services.registry.identifiers.rules import check_fields
from services.registry.identifiers.service import show
from services.registry.linking.service import changed as relink
from services.registry.personal.rules import PERSONAL, personal_of
from services.registry.personal.service import readable, sealed
from services.registry.presences import repository
from services.registry.presences.models import Presence
from services.registry.presences.rules import domain_of
from services.registry.presences.schemas import PresenceOut, PresencePatch
from services.registry.presences.service import plain, whole
from services.registry.search.rules import contact_grams
from services.registry.subjects import repository as subjects
from services.registry.subjects.rules import searchable


async def edit_presence(
    session: AsyncSession, personal: PersonalData, claims: Claims, presence_id: str, given: PresencePatch
) -> PresenceOut:
    """Change what is given of a presence, and keep the old values in its history.

    Raises Problem 404 when it or its new subject is not visible, 409 `record.changed` when somebody was
    faster.
    """
    presence = await repository.for_change(session, claims, presence_id)
    if presence is None:
        raise not_found("网店", "presence")
    refuse_stale(presence.updated_at, given.seen_at)
    if given.subject_id and await subjects.visible(session, claims, given.subject_id) is None:
        raise not_found("主体", "subject")
    before = {**plain(presence), **readable(personal, presence)}
    wanted = given.model_dump(exclude_unset=True, exclude={"seen_at", "reason"}, mode="json")
    changed = compared(before, wanted)
    if not changed:
        return await whole(session, personal, claims, presence)
    await _keep(session, personal, presence, {**before, **wanted}, changed)
    at = presence.updated_at
    await note(session, personal, claims, "presence", presence_id, changed, source="manual", at=at)
    old, new = audited(changed, given.reason)
    await record(
        session,
        claims,
        event="presence.changed",
        object_type="presence",
        object_id=presence_id,
        before=old,
        after=new,
    )
    answer = await whole(session, personal, claims, presence)
    await relink(session, [presence.no])
    return answer


async def _keep(
    session: AsyncSession,
    personal: PersonalData,
    presence: Presence,
    after: dict[str, Any],
    changed: list[Changed],
) -> None:
    _apply(personal, presence, after, changed)
    await session.flush()
    values = {**after, "domain": presence.domain}
    await show(session, personal, {presence.no: values}, source="manual", now=presence.updated_at)


def _apply(
    personal: PersonalData, presence: Presence, values: dict[str, Any], changed: list[Changed]
) -> None:
    for one in changed:
        if not one.personal:
            setattr(presence, one.field, one.new)
    presence.domain = (
        domain_of(presence.url) if any(one.field == "url" for one in changed) else presence.domain
    )
    if any(one.personal for one in changed):
        presence.personal = sealed(personal, presence.id, values)
        presence.contact_grams = contact_grams(personal_of(values), presence.region_code, personal.gram)
    known = {"source_id": presence.source_id}
    unsealed = {**known, **{k: v for k, v in values.items() if k not in PERSONAL}}
    presence.search_text, presence.grams = searchable(unsealed, presence.region_code)
    presence.warnings = [f.as_json() for f in check_fields(values)]
    presence.updated_at = utc_now()
