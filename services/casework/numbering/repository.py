"""SQL of numbers."""

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.casework.numbering.models import IssuedNumber, NumberCounter


async def next_serial(session: AsyncSession, kind: str, org_code: str, year: int) -> int:
    """The next serial of an authority and year.

    Others of the same authority wait until this transaction ends; a rollback gives the serial back.
    """
    statement = (
        insert(NumberCounter)
        .values(kind=kind, org_code=org_code, year=year, last=1)
        .on_conflict_do_update(
            index_elements=[NumberCounter.kind, NumberCounter.org_code, NumberCounter.year],
            set_={"last": NumberCounter.last + 1},
        )
        .returning(NumberCounter.last)
    )
    return (await session.execute(statement)).scalar_one()


async def keep(session: AsyncSession, issued: IssuedNumber) -> None:
    """Write a number down; the database refuses one that exists."""
    session.add(issued)
    await session.flush()
