"""What a record's fields say about who it is: the identifiers of a presence, hashed and sealed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.common.personal import PersonalData, PersonalDataError
from services.registry.identifiers import repository
from services.registry.identifiers.kinds import FIELD_OF_KIND, KIND_LABELS, Kind
from services.registry.identifiers.models import Identifier
from services.registry.identifiers.normal import identifying
from services.registry.linking import service as linking
from services.registry.personal.rules import PERSONAL, mask


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
    """Note what these presences (number → values) show now, in the caller's transaction; links follow."""
    shown = [row for no, values in shops.items() for row in sealed_identifiers(personal, no, values)]
    await repository.replace(session, list(shops), shown, source=source, now=now)
    await linking.changed(session, list(shops))


async def masked_identifiers(
    session: AsyncSession, personal: PersonalData, presence_no: int
) -> list[dict[str, Any]]:
    """What a presence shows and showed, as it may be listed; `?` for a value that does not open."""
    rows = await repository.of_presence(session, presence_no)
    return [
        {
            "kind": row.kind,
            "kind_zh": KIND_LABELS[Kind(row.kind)][0],
            "kind_en": KIND_LABELS[Kind(row.kind)][1],
            "value": _masked(personal, row),
            "source": row.source,
            "first_seen": row.first_seen,
            "last_seen": row.last_seen,
            "ended_at": row.ended_at,
        }
        for row in rows
    ]


def raw_value(personal: PersonalData, row: Identifier) -> str:
    """An identifier's raw form in full. Raises PersonalDataError."""
    values = personal.open(row.value, str(row.presence_no))
    try:
        return values[FIELD_OF_KIND[Kind(row.kind)]]
    except KeyError as error:
        raise PersonalDataError("sealed for another kind") from error


def _masked(personal: PersonalData, row: Identifier) -> str:
    field = FIELD_OF_KIND[Kind(row.kind)]
    try:
        raw = raw_value(personal, row)
    except PersonalDataError:
        return "?"
    return mask(field, raw) or "" if field in PERSONAL else raw
