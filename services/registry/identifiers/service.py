"""What a record's fields say about who it is: the identifiers of a presence, hashed and sealed."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from services.common.personal import PersonalData
from services.registry.identifiers import repository
from services.registry.identifiers.kinds import FIELD_OF_KIND, Kind
from services.registry.identifiers.normal import identifying


def sealed_identifiers(
    personal: PersonalData, presence_no: int, values: Mapping[str, str | None]
) -> list[tuple[int, int, int, bytes]]:
    """`(presence_no, kind, key, sealed raw form)` of every identifier among a presence's values."""
    about = str(presence_no)
    return [
        (
            presence_no,
            int(kind),
            personal.key(kind, norm),
            personal.seal({FIELD_OF_KIND[Kind(kind)]: raw}, about),
        )
        for kind, norm, raw in identifying(values)
    ]


async def show(
    session: AsyncSession,
    personal: PersonalData,
    shops: Mapping[int, Mapping[str, str | None]],
    *,
    source: str,
    now: datetime,
) -> None:
    """Note what these presences (number → values) show now, in the caller's transaction."""
    shown = [row for no, values in shops.items() for row in sealed_identifiers(personal, no, values)]
    await repository.replace(session, list(shops), shown, source=source, now=now)
