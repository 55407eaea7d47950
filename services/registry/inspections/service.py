"""Use cases of inspections: written once, never changed."""

from sqlalchemy.ext.asyncio import AsyncSession

from services.common.audit import record
from services.common.clock import utc_now
from services.common.identity import Claims
from services.common.ids import new_id
from services.common.paging import Page, encode_cursor
from services.common.problems import Problem
from services.registry.inspections import repository
from services.registry.inspections.models import Inspection
from services.registry.inspections.rules import RESULT_LABELS, Result
from services.registry.inspections.schemas import InspectionIn, InspectionOut, InspectionQuery
from services.registry.presences.models import Presence


async def enter(
    session: AsyncSession, claims: Claims, presence: Presence, given: InspectionIn
) -> InspectionOut:
    """Enter an inspection of a visible presence. Raises Problem 422 `inspection.future`."""
    now = utc_now()
    at = given.at or now
    if at > now:
        raise Problem(
            "inspection.future",
            422,
            zh="检查时间不能晚于现在",
            en="an inspection lies in the past",
            todo_zh="请核对检查时间",
            todo_en="check the time of the inspection",
        )
    inspection = Inspection(
        id=new_id(),
        presence_id=presence.id,
        at=at,
        by=claims.sub,
        by_name=claims.name,
        org_code=claims.org,
        region_code=presence.region_code,
        result=given.result.value,
        note=given.note,
        evidence_id=given.evidence_id,
        created_at=now,
    )
    await repository.add(session, inspection, presence.subject_id)
    await record(
        session,
        claims,
        event="inspection.entered",
        object_type="presence",
        object_id=presence.id,
        after={"inspection": inspection.id, "result": inspection.result, "evidence": given.evidence_id},
    )
    return shown(inspection, presence.name)


async def list_inspections(
    session: AsyncSession, claims: Claims, query: InspectionQuery
) -> Page[InspectionOut]:
    """One page of the inspections the caller may see, newest entry first."""
    rows, total, capped = await repository.page(session, claims, query)
    listed = rows[: query.limit]
    return Page(
        items=[shown(inspection, name) for inspection, name in listed],
        next_cursor=encode_cursor([listed[-1][0].id]) if len(rows) > query.limit else None,
        total=total,
        total_capped=capped,
    )


def shown(inspection: Inspection, presence_name: str | None = None) -> InspectionOut:
    """An inspection as it is sent."""
    zh, en = RESULT_LABELS[Result(inspection.result)]
    plain = {
        name: getattr(inspection, name) for name in InspectionOut.model_fields if hasattr(Inspection, name)
    }
    return InspectionOut.model_validate(
        {**plain, "presence_name": presence_name, "result_zh": zh, "result_en": en}
    )
