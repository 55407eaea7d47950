"""Sealing and opening the personal values of rows."""

from collections.abc import Mapping
from typing import Protocol

import structlog

from services.common.personal import PersonalData, PersonalDataError
from services.registry.personal.rules import masked, personal_of

log = structlog.get_logger()


class Filed(Protocol):
    """A row with sealed values: a subject or a presence."""

    id: str
    personal: bytes | None


def sealed(personal: PersonalData, about: str, values: Mapping[str, str | None]) -> bytes | None:
    """The personal ones among a record's values, sealed for row `about`; None when there are none."""
    private = personal_of(values)
    return personal.seal(private, about) if private else None


def opened(personal: PersonalData, row: Filed) -> dict[str, str]:
    """The personal values of a row. Raises PersonalDataError."""
    return personal.open(row.personal, row.id) if row.personal else {}


def shown(personal: PersonalData, row: Filed) -> dict[str, str | None]:
    """Every personal field of a row as lists show it: masked; `?` where the sealed values do not open."""
    try:
        return masked(opened(personal, row))
    except PersonalDataError:
        log.error("personal.unreadable", object_id=row.id)
        return dict.fromkeys(masked({}), "?")
