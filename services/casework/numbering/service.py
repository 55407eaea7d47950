"""Use case of numbering."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from services.casework.numbering import repository
from services.casework.numbering.models import IssuedNumber
from services.casework.numbering.rules import Kind, format_number, number_year
from services.common.identity import Claims


async def issue(session: AsyncSession, claims: Claims, kind: Kind, object_id: str, now: datetime) -> str:
    """A new number of the caller's authority for an object, in the current transaction."""
    year = number_year(now)
    serial = await repository.next_serial(session, kind.name.lower(), claims.org, year)
    number = format_number(kind, claims.org_name, claims.region, year, serial)
    await repository.keep(
        session,
        IssuedNumber(
            number=number,
            kind=kind.name.lower(),
            org_code=claims.org,
            year=year,
            serial=serial,
            object_id=object_id,
            issued_at=now,
        ),
    )
    return number
