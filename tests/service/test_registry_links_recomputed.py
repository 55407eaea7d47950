"""Explanations of links against the stored facts alone, recomputed here by other means: no difference."""

import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from math import prod
from typing import Any

import pytest
from sqlalchemy import text

from services.common.identity import Claims
from services.common.settings import Settings
from services.registry.linking.rules import WEIGHTS, decide, facts_of
from services.registry.links import explaining
from services.registry.personal.schemas import RevealIn
from tests.registry_links_world import (
    HERE,
    PROVINCE,
    Links,
    clone_shops,
    invented,
    running_links,
    show_values,
)

SEEN = datetime(2026, 3, 1, tzinfo=UTC)
LEGAL_PERSON, IMAGE = 8, 10
RULED = {"ruled_hub", "ruled_not_hub"}


@dataclass
class Facts:
    """The stored facts by plain statements: rows by shop, holders by value, decisions, judgements."""

    held: dict[int, dict[tuple[int, int], Any]]
    holders: dict[tuple[int, int], int]
    decided: dict[tuple[int, int], dict[str, Any]]
    judged: dict[tuple[int, int], str]


async def stored(links: Links) -> Facts:
    async with links.db.transaction() as session:
        rows = (await session.execute(text("SELECT * FROM identifiers"))).all()
        decided = await session.execute(text("SELECT kind, key, reason FROM identifier_values"))
        reasons = {(row.kind, row.key): row.reason for row in decided}
        live = await session.execute(text("SELECT shop_a, shop_b, verdict FROM judgements WHERE live"))
        judged = {(row.shop_a, row.shop_b): row.verdict for row in live}
    facts = Facts({}, {}, reasons, judged)
    for row in rows:
        facts.held.setdefault(row.presence_no, {})[row.kind, row.key] = row
        if row.ended_at is None:
            facts.holders[row.kind, row.key] = facts.holders.get((row.kind, row.key), 0) + 1
    return facts


def standing(facts: Facts, value: tuple[int, int], one: Any, other: Any) -> str:
    """How a shared value stands, from its rows and the decision's own figures."""
    if one.ended_at or other.ended_at:
        return "ended"
    reason = facts.decided[value]
    if reason["code"] == "bridge":
        return "cut"
    if reason["code"] in RULED:
        return "hub" if reason["code"] == "ruled_hub" else "links"
    code = decide(facts_of(value[0], reason))
    assert code == reason["code"], "the verdict is not what its facts give"
    if code in ("scattered", "apart", "twins", "too_many"):
        return "hub"
    return "supports" if value[0] in (LEGAL_PERSON, IMAGE) else "links"


def recomputed(facts: Facts, a: int, b: int) -> dict[str, Any]:
    """What the explanation of two shops must say."""
    mine, theirs = facts.held.get(a, {}), facts.held.get(b, {})
    values = []
    for value in sorted(set(mine) & set(theirs)):
        one, other = mine[value], theirs[value]
        ends = [row.ended_at for row in (one, other) if row.ended_at]
        here = (one.ended_at is None) + (other.ended_at is None)
        values.append(
            {
                "kind": value[0],
                "standing": standing(facts, value, one, other),
                "others": facts.holders.get(value, 0) - here,
                "since": max(one.first_seen, other.first_seen),
                "until": min(one.last_seen, other.last_seen),
                "ended_at": min(ends) if ends else None,
                "seen": ((one.first_seen, one.last_seen), (other.first_seen, other.last_seen)),
            }
        )
    counting = [value for value in values if value["standing"] in ("links", "supports")]
    links = any(value["standing"] == "links" for value in counting)
    weight = round(1 - prod(1 - WEIGHTS[value["kind"]] for value in counting), 4) if links else 0.0
    verdict = facts.judged.get((min(a, b), max(a, b)))
    status = {"same": "judged_same", "different": "judged_different"}.get(
        verdict or "", "linked" if weight > 0 else "not_linked"
    )
    return {"values": values, "weight": weight, "status": status}


def told(explanation: Any) -> dict[str, Any]:
    """The same parts of an explanation."""
    return {
        "values": [
            {
                "kind": value.kind,
                "standing": value.standing.value,
                "others": value.others,
                "since": value.since,
                "until": value.until,
                "ended_at": value.ended_at,
                "seen": tuple((side.first_seen, side.last_seen) for side in (value.a, value.b)),
            }
            for value in explanation.values
        ],
        "weight": explanation.weight,
        "status": explanation.status.value,
    }


async def settled(links: Links, count: int, seed: int) -> tuple[dict[int, str], list[dict[str, str]]]:
    """A linked world: ids by number, and what each shop was made to show."""
    template = await links.shop(HERE, "样板店")
    shops = await clone_shops(links, template, count)
    shown = invented(count, seed)
    await show_values(links, [(no, values) for (_, no), values in zip(shops, shown, strict=True)], SEEN)
    async with links.db.transaction() as session:
        await session.execute(
            text("UPDATE identifiers SET ended_at = last_seen + interval '1 day' WHERE presence_no % 19 = 0")
        )
    await links.link()
    return {no: shop for shop, no in shops}, shown


async def compared(links: Links, ids: dict[int, str], wanted: int, seed: int) -> dict[str, int]:
    """Explain `wanted` pairs, most of which share something, and compare; gives how many of which kind."""
    facts, rng = await stored(links), random.Random(seed)
    sharing: dict[tuple[int, int], list[int]] = {}
    for no, values in facts.held.items():
        for value in values:
            sharing.setdefault(value, []).append(no)
    pairs = {(a, b) for nos in sharing.values() for a in nos[:12] for b in nos[:12] if a < b}
    chosen = rng.sample(sorted(pairs), min(wanted * 9 // 10, len(pairs)))
    numbers = sorted(ids)
    while len(chosen) < wanted:
        a, b = rng.sample(numbers, 2)
        chosen.append((min(a, b), max(a, b)))
    personal, seen = links.app.state.personal, dict[str, int]()
    for a, b in chosen:
        async with links.db.transaction() as session:
            given = await explaining.explain(session, personal, PROVINCE, ids[a], ids[b])
        found = told(given)
        assert found == recomputed(facts, a, b), (a, b)
        for key in (found["status"], *(value["standing"] for value in found["values"])):
            seen[key] = seen.get(key, 0) + 1
    return seen


@pytest.fixture(scope="module")
async def world(
    make_settings: Callable[..., Settings], token_for: Callable[[Claims], dict[str, str]]
) -> AsyncIterator[Links]:
    async with running_links(make_settings, token_for) as running:
        yield running


async def test_a_sample_of_explanations_follows_from_the_stored_facts(world: Links) -> None:
    ids, shown = await settled(world, 600, seed=7)
    seen = await compared(world, ids, 200, seed=1)
    assert (
        seen["linked"] > 50
        and seen["not_linked"] > 20
        and seen["supports"] > 10
        and seen["links"] > 50
        and seen["ended"] > 5
    ), seen
    # The raw forms are those the shops showed, each its own.
    by_no = dict(zip(sorted(ids), shown, strict=True))
    facts = await stored(world)
    a, b = next(
        (a, b)
        for a in by_no
        for b in by_no
        if a < b and {1} & {kind for kind, _ in set(facts.held.get(a, {})) & set(facts.held.get(b, {}))}
    )
    async with world.db.transaction() as session:
        plain = await explaining.reveal(
            session, world.app.state.personal, PROVINCE, ids[a], ids[b], RevealIn(purpose="case")
        )
    phone = next(value for value in plain.values if value.kind == 1)
    assert (phone.a.form, phone.b.form) == (by_no[a]["phone"], by_no[b]["phone"])


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_ten_thousand_explanations_follow_from_the_stored_facts(
    make_settings: Callable[..., Settings], token_for: Callable[[Claims], dict[str, str]]
) -> None:
    async with running_links(make_settings, token_for) as links:
        ids, _ = await settled(links, 20_000, seed=11)
        seen = await compared(links, ids, 10_000, seed=2)
    assert sum(seen[status] for status in ("linked", "not_linked")) == 10_000
    assert seen["hub"] > 50 and seen["supports"] > 50 and seen["ended"] > 50, seen
