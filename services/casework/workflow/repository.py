"""SQL of the history of steps. Readers have already checked that the caller may see the object."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.casework.workflow.models import History


async def add(session: AsyncSession, row: History) -> None:
    """Append one step."""
    session.add(row)
    await session.flush()


async def of_object(session: AsyncSession, machine: str, object_id: str) -> list[History]:
    """All steps of an object, oldest first."""
    statement = (
        select(History)
        .where(History.machine == machine, History.object_id == object_id)
        .order_by(History.seq)
    )
    return list((await session.scalars(statement)).all())
