"""Use cases of authorities: entering zones and stations that no list of divisions knows."""

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.audit import record
from services.common.identity import Claims
from services.common.problems import Problem
from services.common.scope import region_covers
from services.registry.organisations import repository
from services.registry.organisations.models import Organisation
from services.registry.organisations.rules import OrganisationKind
from services.registry.organisations.schemas import OrganisationIn, OrganisationOut
from services.registry.regions.rules import Level, level_of


async def enter(session: AsyncSession, claims: Claims, given: OrganisationIn) -> OrganisationOut:
    """Enter a zone's bureau or a station below an authority of the caller's area.

    Raises Problem 403 `region.outside`, 409 `organisation.known`, 422 `organisation.unknown` for the
    superior, `organisation.kind` for a bureau (those follow from the divisions), `organisation.county` for a
    region that is no county: the people of a zone would see the whole city.
    """
    superior = await _superior(session, claims, given)
    row = Organisation(
        code=f"{superior.code}-{given.suffix}",
        name=given.name,
        level=Level.COUNTY.value,
        region_code=given.region_code,
        parent_code=superior.code,
        kind=given.kind.value,
        area=[one.model_dump() for one in given.area],
        verified=True,
    )
    try:
        await repository.add(session, row)
    except IntegrityError as error:
        raise Problem(
            "organisation.known", 409, zh="已有同名或同代码的机构", en="code or name is taken already"
        ) from error
    await record(
        session,
        claims,
        event="organisation.entered",
        object_type="organisation",
        object_id=row.code,
        after={"name": row.name, "kind": row.kind, "region_code": row.region_code},
    )
    return OrganisationOut.model_validate(row)


async def _superior(session: AsyncSession, claims: Claims, given: OrganisationIn) -> Organisation:
    superior = await repository.by_code(session, given.parent_code)
    if superior is None:
        raise Problem("organisation.unknown", 422, zh="没有这个上级机构", en="no such superior authority")
    places = {given.region_code, superior.region_code, *(one.region_code for one in given.area)}
    if not all(region_covers(claims.region, place) for place in places):
        raise Problem("region.outside", 403, zh="不在本单位辖区内", en="outside your authority's area")
    if given.kind is OrganisationKind.BUREAU:
        raise Problem(
            "organisation.kind", 422, zh="各级局由区划产生，不能新增", en="bureaux follow from the divisions"
        )
    if level_of(given.region_code) is not Level.COUNTY:
        raise Problem(
            "organisation.county",
            422,
            zh="所在区划应为县级，否则其人员将看到全市",
            en="it lies in a county; otherwise its people would see the whole city",
            todo_zh="请选择所在的县、区",
            todo_en="choose the county it lies in",
        )
    return superior
