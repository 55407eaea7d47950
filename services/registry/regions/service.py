"""Use cases of divisions: what a code means today."""

from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.regions import repository
from services.registry.regions.models import RegionAlias
from services.registry.regions.rules import licence_region
from services.registry.regions.schemas import AliasList, AliasOut, PlaceOut


async def retired(session: AsyncSession) -> AliasList:
    """All retired codes and names with their successors."""
    return AliasList(items=[_alias(row, name) for row, name in await repository.aliases(session)])


async def registered_in(session: AsyncSession, licence: str | None) -> PlaceOut | None:
    """The division a licence number names, as it was and as it is; None when it names none.

    It tells where the number was given out, never who has jurisdiction today.
    """
    code = licence_region(licence)
    if code is None:
        return None
    region = await repository.by_code(session, code)
    if region is not None:
        return PlaceOut(
            code=code, name=region.name, retired=False, successor=None, successor_name=None, verified=True
        )
    known = await repository.aliases(session, code)
    if not known:
        return PlaceOut(
            code=code, name=None, retired=False, successor=None, successor_name=None, verified=False
        )
    row, name = known[-1]
    return PlaceOut(
        code=code,
        name=row.name,
        retired=True,
        successor=row.successor,
        successor_name=name,
        verified=row.verified,
    )


def _alias(row: RegionAlias, successor_name: str) -> AliasOut:
    plain = {name: getattr(row, name) for name in AliasOut.model_fields if hasattr(RegionAlias, name)}
    return AliasOut.model_validate({**plain, "successor_name": successor_name})
