"""Comparing: our values as hashes for the other region, and its hashes against our values.

Hashes that came in are compared in memory and forgotten; only what matched is kept.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.common.clock import utc_now
from services.common.identity import Claims
from services.common.personal import PersonalData, PersonalDataError
from services.registry.exchange import faults, repository
from services.registry.exchange.agreement import Secrets, agree, shop_ref, value_hash
from services.registry.exchange.models import Exchange
from services.registry.exchange.rules import ROWS_A_PART, ExchangeState, hash_rows
from services.registry.findings import service as findings
from services.registry.findings.rules import Code, Raised
from services.registry.identifiers.kinds import FIELD_OF_KIND, Kind
from services.registry.identifiers.normal import identifying

SHOPS_AT_ONCE: Final = 2_000


@dataclass(frozen=True)
class Part:
    """One part of our hashes: rows [kind, hash, reference]; next_after: where to go on, None at the end."""

    rows: list[tuple[int, str, str]]
    refs: dict[str, int]
    next_after: int | None


def secrets_of(personal: PersonalData, exchange: Exchange) -> Secrets:
    """The secrets of an exchange that is agreed and not over. Raises 409."""
    if exchange.state != ExchangeState.AGREED:
        raise faults.wrong_state("双方尚未建立比对，或比对已结束", "the exchange is not agreed, or is closed")
    if exchange.expires_at <= utc_now():
        raise faults.expired()
    kept = personal.open(exchange.sealed, exchange.id)
    return agree(kept["private"], kept["public"], exchange.id)


async def our_hashes(
    session: AsyncSession, personal: PersonalData, claims: Claims, exchange: Exchange, after: int
) -> Part:
    """The next part of the hashes of the caller's region's values, of whole shops, hubs left out."""
    secrets = secrets_of(personal, exchange)
    rows: list[tuple[int, str, str]] = []
    refs: dict[str, int] = {}
    while len(rows) < ROWS_A_PART - SHOPS_AT_ONCE * len(Kind):
        until = await repository.last_shop(session, claims, after, SHOPS_AT_ONCE)
        if until is None:
            return Part(rows, refs, None)
        held = await repository.values_of_region(session, claims, after, until)
        for no, kind, hashed in await _hashed(personal, secrets, held):
            ref = shop_ref(secrets, no)
            refs[ref] = no
            rows.append((kind, hashed, ref))
        after = until
    return Part(rows, refs, after)


async def compare(
    session: AsyncSession,
    personal: PersonalData,
    claims: Claims,
    exchange: Exchange,
    body: Mapping[str, Any],
) -> int:
    """Compare hashes that came in with the values of the exchange's region; gives the number of new matches.

    Raises 422 `exchange.untrusted` for rows of another shape.
    """
    secrets = secrets_of(personal, exchange)
    try:
        theirs = hash_rows(body)
    except (KeyError, TypeError, ValueError) as error:
        raise faults.untrusted("rows of another shape") from error
    after, new, touched = 0, 0, set[int]()
    while (until := await repository.last_shop(session, claims, after, SHOPS_AT_ONCE)) is not None:
        held = await repository.values_of_region(session, claims, after, until)
        found = _matches(exchange.id, await _hashed(personal, secrets, held), theirs)
        new += await repository.keep_matches(session, found)
        touched.update(row["presence_no"] for row in found)
        after = until
    if new:
        await findings.raise_findings(session, [_finding(exchange, sorted(touched))])
    return new


def _matches(
    exchange_id: str,
    ours: Iterable[tuple[int, int, str]],
    theirs: Mapping[tuple[int, str], Sequence[str]],
) -> list[dict[str, Any]]:
    at = utc_now()
    return [
        {"exchange_id": exchange_id, "kind": kind, "presence_no": no, "ref": ref, "at": at}
        for no, kind, hashed in ours
        for ref in theirs.get((kind, hashed), ())
    ]


def _finding(exchange: Exchange, shops: Sequence[int]) -> Raised:
    detail = {"shops": len(shops), "peer_region": exchange.peer_region}
    return Raised(Code.EXCHANGE_MATCH, exchange.id, shops=shops, detail=detail)


async def _hashed(
    personal: PersonalData, secrets: Secrets, held: Sequence[Any]
) -> list[tuple[int, int, str]]:
    """(shop, kind, hash) of sealed values, worked out beside the event loop."""
    plain = [(row.presence_no, row.kind, row.key, bytes(row.value)) for row in held]
    return await asyncio.to_thread(partial(_hash_all, personal, secrets, plain))


def _hash_all(
    personal: PersonalData, secrets: Secrets, held: Iterable[tuple[int, int, int, bytes]]
) -> list[tuple[int, int, str]]:
    found = []
    for no, kind, key, sealed in held:
        norm = normal_form(personal, no, kind, key, sealed)
        if norm is not None:
            found.append((no, kind, value_hash(secrets, kind, norm)))
    return found


def normal_form(personal: PersonalData, no: int, kind: int, key: int, sealed: bytes) -> str | None:
    """The normal form behind a sealed raw value, checked against its key; None when it no longer gives it.

    The form may differ from the day the value came in when the rules of normal forms changed since.
    """
    try:
        opened = personal.open(sealed, str(no))
    except PersonalDataError:
        return None
    field = FIELD_OF_KIND[Kind(kind)]
    for found, norm, _ in identifying({field: opened.get(field)}):
        if found == kind and personal.key(kind, norm) == key:
            return norm
    return None
