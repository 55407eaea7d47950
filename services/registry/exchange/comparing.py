"""Comparing: our values as hashes for the other region, and its hashes against our values.

Hashes that came in lie sealed until they are compared, and are forgotten then; only what matched is kept.
"""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.common.clock import utc_now
from services.common.personal import PersonalData, PersonalDataError
from services.registry.exchange import faults, repository
from services.registry.exchange.agreement import Secrets, agree, shop_ref, value_hash
from services.registry.exchange.models import Exchange, ExchangeComparison
from services.registry.exchange.rules import ROWS_A_PART, ComparisonState, ExchangeState, hash_rows
from services.registry.findings import service as findings
from services.registry.findings.rules import Code, Raised
from services.registry.identifiers.kinds import FIELD_OF_KIND, Kind
from services.registry.identifiers.normal import identifying

SHOPS_AT_ONCE: Final = 2_000

Theirs = Mapping[tuple[int, str], Sequence[str]]
"""References of the other region's shops by (kind, hash)."""


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


async def our_hashes(session: AsyncSession, personal: PersonalData, exchange: Exchange, after: int) -> Part:
    """The next part of the hashes of the exchange's region's values, of whole shops, hubs left out."""
    secrets = secrets_of(personal, exchange)
    rows: list[tuple[int, str, str]] = []
    refs: dict[str, int] = {}
    while len(rows) < ROWS_A_PART:
        found = await repository.next_shops(session, exchange.region_code, after, SHOPS_AT_ONCE)
        if found is None:
            return Part(rows, refs, None)
        until = found[0]
        held = await repository.values_of_region(session, exchange.region_code, after, until)
        for no, kind, hashed in await _hashed(personal, secrets, held):
            ref = shop_ref(secrets, no)
            refs[ref] = no
            rows.append((kind, hashed, ref))
        after = until
    return Part(rows, refs, after)


async def accept(
    session: AsyncSession,
    personal: PersonalData,
    exchange: Exchange,
    message_id: int,
    body: Mapping[str, Any],
) -> None:
    """Keep hashes that came in, sealed, for their comparison in the background; one stopped before goes on.

    Raises 422 `exchange.untrusted` for rows of another shape.
    """
    secrets_of(personal, exchange)
    try:
        hash_rows(body)
    except (KeyError, TypeError, ValueError) as error:
        raise faults.untrusted("rows of another shape") from error
    sealed = personal.seal({"rows": json.dumps(body["rows"])}, str(message_id))
    before = await repository.comparison(session, exchange.id, message_id)
    if before is None:
        shops = await repository.shop_count(session, exchange.region_code)
        await repository.add(
            session,
            ExchangeComparison(
                message_id=message_id, exchange_id=exchange.id, state="open", hashes=sealed, shops=shops
            ),
        )
    elif before.state == ComparisonState.STOPPED:
        before.state, before.hashes = ComparisonState.OPEN.value, sealed


def theirs(personal: PersonalData, parts: Iterable[ExchangeComparison]) -> Theirs:
    """References by (kind, hash) in parts that came in."""
    found: dict[tuple[int, str], list[str]] = {}
    for part in parts:
        body = {"rows": json.loads(personal.open(part.hashes, str(part.message_id))["rows"])}
        for at, refs in hash_rows(body).items():
            found.setdefault(at, []).extend(refs)
    return found


async def compare_next(
    session: AsyncSession,
    personal: PersonalData,
    exchange: Exchange,
    parts: Sequence[ExchangeComparison],
    given: Theirs,
) -> None:
    """Compare parts that are equally far with the next shops of the exchange's region, in one transaction.

    With the last shop the hashes are forgotten, and a finding tells of new matches. Raises 409 when the
    exchange is over.
    """
    secrets, region, after = secrets_of(personal, exchange), exchange.region_code, parts[0].compared_no
    shops = await repository.next_shops(session, region, after, SHOPS_AT_ONCE)
    if shops is None:
        await _end(session, exchange, parts)
        return
    until, count = shops
    held = await repository.values_of_region(session, region, after, until)
    found = _matches(exchange.id, await _hashed(personal, secrets, held), given)
    new = await repository.keep_matches(session, found)
    for part in parts:
        part.compared_no, part.done, part.found = until, part.done + count, part.found + new


async def _end(session: AsyncSession, exchange: Exchange, parts: Sequence[ExchangeComparison]) -> None:
    for part in parts:
        part.state, part.hashes = ComparisonState.DONE.value, b""
    if any(part.found for part in parts):
        shops = await repository.matched_shops(session, exchange.id)
        await findings.raise_findings(session, [_finding(exchange, shops)])


def _matches(exchange_id: str, ours: Iterable[tuple[int, int, str]], given: Theirs) -> list[dict[str, Any]]:
    at = utc_now()
    return [
        {"exchange_id": exchange_id, "kind": kind, "presence_no": no, "ref": ref, "at": at}
        for no, kind, hashed in ours
        for ref in given.get((kind, hashed), ())
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
