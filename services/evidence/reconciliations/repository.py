"""SQL of reconciliations."""

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.evidence.items.models import NumberCounter


async def raise_counter(session: AsyncSession, region_code: str, year: int, at_least: int) -> None:
    """See that no evidence number up to `at_least` of a region and year is given out again."""
    query = insert(NumberCounter).values(region_code=region_code, year=year, last=at_least)
    await session.execute(
        query.on_conflict_do_update(
            index_elements=["region_code", "year"],
            set_={"last": func.greatest(NumberCounter.last, query.excluded.last)},
        )
    )
