"""Use cases of permits. They belong to a subject or to a presence, and lie where that lies."""

from datetime import date
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.common.audit import record
from services.common.clock import utc_now
from services.common.identity import Claims
from services.common.ids import new_id
from services.common.personal import PersonalData
from services.common.problems import Problem, not_found
from services.registry.changes.rules import compared
from services.registry.changes.service import note
from services.registry.permits import repository
from services.registry.permits.models import Permit
from services.registry.permits.rules import KIND_LABELS, STATE_LABELS, PermitKind, VerifyState
from services.registry.permits.schemas import PermitIn, PermitOut, PermitPatch


async def enter(
    session: AsyncSession,
    claims: Claims,
    given: PermitIn,
    *,
    region: str,
    subject_id: str | None = None,
    presence_id: str | None = None,
) -> PermitOut:
    """Enter a permit of a visible subject or presence. Raises Problem 422 `permit.period`."""
    _check_period(given.valid_from, given.valid_to)
    now = utc_now()
    permit = Permit(
        id=new_id(),
        subject_id=subject_id,
        presence_id=presence_id,
        **{**given.model_dump(), "kind": given.kind.value},
        verify_state=VerifyState.UNVERIFIED.value,
        source="manual",
        org_code=claims.org,
        region_code=region,
        created_by=claims.sub,
        created_at=now,
        updated_at=now,
    )
    await repository.add(session, permit)
    await record(
        session,
        claims,
        event="permit.entered",
        object_type="permit",
        object_id=permit.id,
        after={"kind": permit.kind, "number": permit.number, "subject": subject_id, "presence": presence_id},
    )
    return shown(permit)


async def change(
    session: AsyncSession,
    personal: PersonalData,
    claims: Claims,
    permit_id: str,
    owner_id: str,
    given: PermitPatch,
) -> PermitOut:
    """Change what is given of a permit of that visible owner. Raises Problem 404, 422 `permit.period`."""
    permit = await repository.for_change(session, permit_id)
    if permit is None or owner_id not in (permit.subject_id, permit.presence_id):
        raise not_found("许可", "permit")
    wanted = given.model_dump(exclude_unset=True)
    if wanted.get("verify_state") is None:
        wanted.pop("verify_state", None)
    changed = compared({name: getattr(permit, name) for name in wanted}, wanted)
    for one in changed:
        setattr(permit, one.field, one.new)
    _check_period(permit.valid_from, permit.valid_to)
    if changed:
        permit.updated_at = utc_now()
        if "verify_state" in wanted:
            permit.verified_at = permit.updated_at
        texts = compared(
            {one.field: _text(one.old) for one in changed}, {one.field: _text(one.new) for one in changed}
        )
        at = permit.updated_at
        await note(session, personal, claims, "permit", permit_id, texts, source="manual", at=at)
        await record(
            session,
            claims,
            event="permit.changed",
            object_type="permit",
            object_id=permit_id,
            before={one.field: one.old for one in texts},
            after={one.field: one.new for one in texts},
        )
    return shown(permit)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _check_period(valid_from: date | None, valid_to: date | None) -> None:
    if valid_from and valid_to and valid_to < valid_from:
        raise Problem(
            "permit.period",
            422,
            zh="有效期止早于起",
            en="the permit would end before it begins",
            todo_zh="请对照证件核对日期",
            todo_en="compare the dates with the permit",
        )


def shown(permit: Permit) -> PermitOut:
    """A permit as it is sent."""
    kind_zh, kind_en = KIND_LABELS[PermitKind(permit.kind)]
    state_zh, state_en = STATE_LABELS[VerifyState(permit.verify_state)]
    plain = {name: getattr(permit, name) for name in PermitOut.model_fields if hasattr(Permit, name)}
    return PermitOut.model_validate(
        {
            **plain,
            "kind_zh": kind_zh,
            "kind_en": kind_en,
            "verify_state_zh": state_zh,
            "verify_state_en": state_en,
            "lapsed": permit.valid_to is not None and permit.valid_to < utc_now().date(),
        }
    )
