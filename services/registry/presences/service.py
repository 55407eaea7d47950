"""Use cases of presences."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.common.audit import record
from services.common.clock import utc_now
from services.common.identity import Claims
from services.common.ids import new_id
from services.common.paging import Page
from services.common.personal import PersonalData
from services.common.problems import not_found
from services.registry.changes.schemas import ChangeOut, OriginOut
from services.registry.changes.service import history, origins
from services.registry.identifiers.rules import check_fields
from services.registry.identifiers.service import masked_identifiers, show
from services.registry.inspections import repository as inspections
from services.registry.inspections.schemas import InspectionIn, InspectionOut
from services.registry.inspections.service import enter as enter_inspection
from services.registry.inspections.service import shown as inspection_shown
from services.registry.linking.service import changed as relink
from services.registry.permits import repository as permits
from services.registry.permits.schemas import PermitIn, PermitOut, PermitPatch
from services.registry.permits.service import change, enter
from services.registry.permits.service import shown as permit_shown
from services.registry.personal.rules import PERSONAL, personal_of
from services.registry.personal.schemas import RevealIn, RevealOut
from services.registry.personal.service import readable, reveal, sealed, shown
from services.registry.presences import repository
from services.registry.presences.models import Presence
from services.registry.presences.rules import (
    CHANNEL_LABELS,
    EXEMPTION_LABELS,
    STATUS_LABELS,
    Channel,
    Exemption,
    domain_of,
)
from services.registry.presences.schemas import PresenceIn, PresenceOut, PresencePatch, PresenceRow
from services.registry.search.rules import contact_grams
from services.registry.subjects import repository as subjects
from services.registry.subjects.rules import searchable
from services.registry.subjects.service import owned_region
from services.registry.tags.service import refs

_PLAIN = (
    "id",
    "name",
    "channel",
    "platform",
    "native_id",
    "url",
    "licence",
    "icp",
    "subject_id",
    "source",
    "source_id",
    "org_code",
    "region_code",
    "status",
    "risk",
    "claim_state",
    "label_no",
    "last_inspected_at",
    "created_at",
    "updated_at",
)


async def get_presence(
    session: AsyncSession, personal: PersonalData, claims: Claims, presence_id: str
) -> PresenceOut:
    """One presence in full, personal values masked; the look is recorded. Raises 404 when not visible."""
    presence = await _visible(session, claims, presence_id)
    await record(session, claims, event="presence.viewed", object_type="presence", object_id=presence_id)
    return await whole(session, personal, claims, presence)


async def whole(
    session: AsyncSession, personal: PersonalData, claims: Claims, presence: Presence
) -> PresenceOut:
    """A visible presence with its subject's name, permits, tags, newest inspections and identifiers."""
    subject = await subjects.visible(session, claims, presence.subject_id) if presence.subject_id else None
    shown_permits = await permits.of(session, presence_id=presence.id)
    return _full(
        personal,
        presence,
        {
            "subject_name": subject.name if subject else None,
            "permits": [permit_shown(permit) for permit in shown_permits],
            "tags": await refs(session, presence.tags),
            "inspections": [
                inspection_shown(one) for one in await inspections.of_presence(session, presence.id)
            ],
            "identifiers": await masked_identifiers(session, personal, presence.no),
        },
    )


async def reveal_presence(
    session: AsyncSession, personal: PersonalData, claims: Claims, presence_id: str, given: RevealIn
) -> RevealOut:
    """The personal values of a presence in full, for a purpose. Raises 404 when not visible."""
    presence = await _visible(session, claims, presence_id)
    return await reveal(session, personal, claims, "presence", presence, given)


async def presence_history(
    session: AsyncSession, personal: PersonalData, claims: Claims, presence_id: str, cursor: str | None
) -> Page[ChangeOut]:
    """One page of what changed of a presence, newest first. Raises 404 when not visible."""
    await _visible(session, claims, presence_id)
    return await history(session, personal, "presence", presence_id, cursor)


def plain(presence: Presence) -> dict[str, Any]:
    """The values of a presence that lie in the open, as they compare."""
    return {name: getattr(presence, name) for name in PresencePatch.model_fields if hasattr(Presence, name)}


async def presence_origins(
    session: AsyncSession, personal: PersonalData, claims: Claims, presence_id: str
) -> list[OriginOut]:
    """Where each value of a presence comes from, and when it was seen. Raises 404 when not visible."""
    presence = await _visible(session, claims, presence_id)
    values = {**plain(presence), **readable(personal, presence)}
    return await origins(session, "presence", presence, [field for field, value in values.items() if value])


async def enter_permit(session: AsyncSession, claims: Claims, presence_id: str, given: PermitIn) -> PermitOut:
    """Enter a permit shown by a presence. Raises 404 when not visible, 422 `permit.period`."""
    presence = await _visible(session, claims, presence_id)
    return await enter(session, claims, given, region=presence.region_code, presence_id=presence_id)


async def inspect(
    session: AsyncSession, claims: Claims, presence_id: str, given: InspectionIn
) -> InspectionOut:
    """Enter an inspection of a presence. Raises 404 when not visible, 422 `inspection.future`."""
    return await enter_inspection(session, claims, await _visible(session, claims, presence_id), given)


async def change_permit(
    session: AsyncSession,
    personal: PersonalData,
    claims: Claims,
    presence_id: str,
    permit_id: str,
    given: PermitPatch,
) -> PermitOut:
    """Change a permit of a presence. Raises 404 when either is not visible, 422 `permit.period`."""
    await _visible(session, claims, presence_id)
    return await change(session, personal, claims, permit_id, presence_id, given)


async def _visible(session: AsyncSession, claims: Claims, presence_id: str) -> Presence:
    presence = await repository.visible(session, claims, presence_id)
    if presence is None:
        raise not_found("网店", "presence")
    return presence


async def create_presence(
    session: AsyncSession, personal: PersonalData, claims: Claims, given: PresenceIn
) -> PresenceOut:
    """Enter a presence. Raises 403 outside the caller's region, 404 for a subject the caller cannot see."""
    region = owned_region(claims, given.region_code)
    if given.subject_id and await subjects.visible(session, claims, given.subject_id) is None:
        raise not_found("主体", "subject")
    values = given.model_dump(exclude={"channel", "region_code"}, mode="json")
    text, grams = searchable(values, region)
    presence_id, now = new_id(), utc_now()
    presence = Presence(
        id=presence_id,
        **{name: value for name, value in values.items() if name not in PERSONAL},
        personal=sealed(personal, presence_id, values),
        contact_grams=contact_grams(personal_of(values), region, personal.gram),
        channel=given.channel.value,
        domain=domain_of(given.url),
        source="manual",
        source_id=presence_id,
        warnings=[f.as_json() for f in check_fields(values)],
        search_text=text,
        grams=grams,
        org_code=claims.org,
        region_code=region,
        created_by=claims.sub,
        created_at=now,
        updated_at=now,
    )
    await repository.add(session, presence)
    await show(
        session, personal, {presence.no: {**values, "domain": presence.domain}}, source="manual", now=now
    )
    await record(
        session,
        claims,
        event="presence.created",
        object_type="presence",
        object_id=presence_id,
        after={"name": presence.name, "channel": presence.channel, "region_code": region},
    )
    answer = await whole(session, personal, claims, presence)
    await relink(session, [presence.no])
    return answer


def _common(presence: Presence) -> dict[str, Any]:
    zh, en = CHANNEL_LABELS[Channel(presence.channel)]
    plain = {name: getattr(presence, name) for name in _PLAIN}
    counted = {"tag_ids": presence.tags, "warning_count": len(presence.warnings)}
    return {**plain, **counted, "channel_zh": zh, "channel_en": en}


def row(personal: PersonalData, presence: Presence) -> PresenceRow:
    """A presence as lists show it: personal values masked."""
    return PresenceRow.model_validate({**_common(presence), **shown(personal, presence)})


def _full(personal: PersonalData, presence: Presence, beside: dict[str, Any]) -> PresenceOut:
    plain = {n: getattr(presence, n) for n in PresenceOut.model_fields if hasattr(Presence, n)}
    zh, en = STATUS_LABELS.get(presence.status, (presence.status, presence.status))
    ground = EXEMPTION_LABELS[Exemption(presence.exemption)] if presence.exemption else (None, None)
    return PresenceOut.model_validate(
        {
            **plain,
            **_common(presence),
            **shown(personal, presence),
            **beside,
            "status_zh": zh,
            "status_en": en,
            "exemption_zh": ground[0],
            "exemption_en": ground[1],
        }
    )
