"""Sealing and opening the personal values of rows, and showing them in full to who says what for."""

from collections.abc import Mapping
from typing import Protocol

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.audit import record
from services.common.clock import utc_now
from services.common.identity import Claims
from services.common.personal import PersonalData, PersonalDataError
from services.common.problems import Problem
from services.registry.personal.rules import PURPOSE_LABELS, masked, personal_of
from services.registry.personal.schemas import RevealIn, RevealOut

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


async def reveal(
    session: AsyncSession,
    personal: PersonalData,
    claims: Claims,
    object_type: str,
    row: Filed,
    given: RevealIn,
) -> RevealOut:
    """The personal values of a row in full; who saw which fields for what purpose is in the audit record.

    The caller has checked that the row is visible. Raises Problem 500 `personal.unreadable`.
    """
    values = readable(personal, row)
    wanted = {name: value for name, value in values.items() if not given.fields or name in given.fields}
    now = utc_now()
    await record(
        session,
        claims,
        event=f"{object_type}.revealed",
        object_type=object_type,
        object_id=row.id,
        after={"purpose": given.purpose, "note": given.note, "fields": sorted(wanted)},
    )
    zh, en = PURPOSE_LABELS[given.purpose]
    return RevealOut(values=wanted, purpose=given.purpose, purpose_zh=zh, purpose_en=en, revealed_at=now)


def readable(personal: PersonalData, row: Filed) -> dict[str, str]:
    """The personal values of a row. Raises Problem 500 `personal.unreadable` when they do not open."""
    try:
        return opened(personal, row)
    except PersonalDataError as error:
        log.error("personal.unreadable", object_id=row.id)
        raise Problem(
            "personal.unreadable",
            500,
            zh="个人信息密文无法打开（已损坏、被移动，或密钥不符）",
            en="the sealed values do not open: damaged, moved, or another key",
            todo_zh="请将记录编号告知系统管理员，从备份核对",
            todo_en="tell the system administrator the record's number; compare with the backup",
        ) from error
