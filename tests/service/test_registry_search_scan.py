"""Whatever is asked, a list shows what a plain look at every row would show, in the same order."""

import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from sqlalchemy import bindparam, insert, update

from services.common.database import Database
from services.common.identity import Claims
from services.common.personal import KeyRing, PersonalData
from services.registry.presences.models import Presence
from services.registry.presences.schemas import PresenceQuery
from services.registry.search import plan, repository, service
from services.registry.search.rules import (
    contact_grams_many,
    contact_holds,
    contact_query,
    needle,
    search_fields_many,
    start_of,
)
from services.registry.subjects.models import Subject  # noqa: F401  (the foreign key's table)

SEED, ROWS, PAGES = 20261122, 500, 5
REGIONS = ("360102", "360103", "360702", "360781", "360700", "360000")
# Each division with those it lies in, itself included.
AREAS = {code: {code, code[:4] + "00", code[:2] + "0000"} for code in REGIONS}
CHANNELS, PLATFORMS = ("shop", "shop_b", "live_room"), ("淘宝", "京东", None)
STATUSES = ("active", "active", "active", "dead", "merged")
PLACES = ("赣州", "南昌市", "西湖")
WORDS = (*PLACES, "脐橙", "有限公司", "旗舰店", "鑫", "旺", "A1", "ab", "12", "345", "3456", "茶业", "-", "%")
OLD = datetime(2026, 3, 1, tzinfo=UTC)
MOVED = 0.1  # of the rows had another region when they were stored


@dataclass(frozen=True)
class World:
    """The same rows in the database and in memory."""

    database: Database
    personal: PersonalData
    rows: list[dict[str, Any]]


def words(draw: random.Random, most: int) -> str:
    return "".join(draw.choice(WORDS) for _ in range(draw.randint(1, most)))


def made(draw: random.Random, no: int) -> dict[str, Any]:
    inspected = draw.choice((None, None, OLD, OLD + timedelta(days=draw.randrange(200))))
    return {
        "no": no,
        "id": f"{no:026d}",
        "name": words(draw, 4),
        "channel": draw.choice(CHANNELS),
        "platform": draw.choice(PLATFORMS),
        "url": draw.choice((None, f"https://{draw.choice(('shop', 'mall'))}{no % 97}.example.com/")),
        "source": draw.choice(("a", "b")),
        "source_id": str(no),
        "warnings": [],
        "status": draw.choice(STATUSES),
        "risk": draw.choice((0, 0, 15, 60, 99)),
        "tags": draw.choice(([], [], [3], [3, 14])),
        "label_no": draw.choice((None, None, "L1")),
        "claim_state": draw.choice(("imported", "claimed")),
        "last_inspected_at": inspected,
        "region_code": draw.choice(REGIONS),
        "cut_in": draw.choice(REGIONS) if draw.random() < MOVED else None,
        "contacts": {
            "phone": draw.choice((f"138{draw.randrange(10**8):08d}", "0797-123 4567", "")),
            "wechat": words(draw, 3),
            "address": "".join(draw.choices("红旗大道", k=draw.randint(4, 9))) + words(draw, 2),
        },
    }


@pytest.fixture(scope="module")
async def world(make_database: Callable[[str], str]) -> AsyncIterator[World]:
    draw = random.Random(SEED)
    personal = PersonalData(KeyRing({1: draw.randbytes(32)}, 1, draw.randbytes(32)))
    numbers = sorted(draw.sample(range(1, 9 << plan.BUCKET_BITS), ROWS))
    rows = [made(draw, no) for no in numbers]
    first = [row["cut_in"] or row["region_code"] for row in rows]
    fields = search_fields_many([[row["name"], row["url"]] for row in rows], first)
    grams = contact_grams_many([row["contacts"] for row in rows], first, personal.gram)
    now = datetime(2026, 11, 1, tzinfo=UTC)
    same = {"org_code": "o", "created_by": "t", "created_at": now, "updated_at": now}
    stored = []
    for row, region, (text, plain), keyed in zip(rows, first, fields, grams, strict=True):
        row["search_text"] = text
        sealed: dict[str, Any] = {
            "personal": personal.seal(row["contacts"], row["id"]),
            "contact_grams": keyed,
            "grams": plain,
            "region_code": region,
        }
        plainly = {k: v for k, v in row.items() if k not in ("contacts", "cut_in")}
        stored.append({**plainly, **sealed, **same})
    database = Database(make_database("registry"), "registry")
    async with database.transaction() as session:
        await session.execute(insert(Presence), stored)
        to = update(Presence).where(Presence.no == bindparam("at")).values(region_code=bindparam("to"))
        moved = [{"at": row["no"], "to": row["region_code"]} for row in rows if row["cut_in"]]
        await (await session.connection()).execute(to, moved)
    yield World(database, personal, rows)
    await database.close()


def claims(region: str = "360000") -> Claims:
    return Claims(sub="u", name="u", org="o", org_name="o", region=region)


def naive(world: World, who: Claims, asked: PresenceQuery) -> list[int]:
    """Numbers of the rows that should be listed, newest first: one look at every row."""

    def wanted(row: dict[str, Any]) -> bool:
        at, text = row["last_inspected_at"], needle(asked.q or "")
        return (
            who.region in AREAS[row["region_code"]]
            and (asked.region is None or asked.region in AREAS[row["region_code"]])
            and (asked.channel is None or row["channel"] == asked.channel)
            and (asked.platform is None or row["platform"] == asked.platform)
            and (row["status"] == asked.status if asked.status else row["status"] != "merged")
            and (asked.tag is None or asked.tag in row["tags"])
            and (asked.source is None or row["source"] == asked.source)
            and (not asked.risk_min or row["risk"] >= asked.risk_min)
            and (asked.label is None or (row["label_no"] is not None) is asked.label)
            and (asked.claim is None or row["claim_state"] == asked.claim)
            and (asked.inspected is None or at is None)
            and (asked.inspected_since is None or (at is not None and at >= start_of(asked.inspected_since)))
            and (asked.not_inspected_since is None or at is None or at < start_of(asked.not_inspected_since))
            and (not text or text in row["search_text"] or in_contacts(row, asked.q or ""))
        )

    return [row["no"] for row in reversed(world.rows) if wanted(row)]


def in_contacts(row: dict[str, Any], query: str) -> bool:
    """Contacts are searched by what has grams: shorter queries never ask them."""
    return bool(contact_query(query, len)) and contact_holds(row["contacts"].values(), query)


def question(draw: random.Random, world: World) -> PresenceQuery:
    """A query as an officer might ask it: a piece of some row's values, or words; few or many filters."""
    row = draw.choice(world.rows)
    source = draw.choice(
        (row["name"], row["contacts"]["phone"], row["contacts"]["address"], row["url"] or "")
    )
    begin = draw.randrange(max(len(source), 1))
    piece = source[begin : begin + draw.randint(1, 7)]
    maybe: dict[str, Any] = {
        "region": draw.choice(REGIONS),
        "channel": draw.choice(CHANNELS),
        "platform": draw.choice(PLATFORMS),
        "status": draw.choice(STATUSES),
        "tag": draw.choice((3, 14, 15)),
        "source": draw.choice(("a", "b")),
        "risk_min": draw.choice((10, 60, 70)),
        "label": draw.choice((True, False)),
        "claim": draw.choice(("imported", "claimed")),
        "inspected": "never",
        "inspected_since": OLD.date() + timedelta(days=draw.randrange(-10, 220)),
        "not_inspected_since": OLD.date() + timedelta(days=draw.randrange(-10, 220)),
    }
    chosen = draw.sample(sorted(maybe), draw.choice((0, 0, 1, 1, 2, 3)))
    text = draw.choice((piece, piece, words(draw, 2), None))
    return PresenceQuery(q=text, limit=draw.choice((2, 20, 200)), **{name: maybe[name] for name in chosen})


async def listed(world: World, who: Claims, asked: PresenceQuery) -> tuple[list[int], bool]:
    """The first pages of a list, and whether they are all."""
    numbers: list[int] = []
    async with world.database.transaction() as session:
        for _ in range(PAGES):
            found = await service.page(session, world.personal, who, Presence, asked)
            numbers += [row.no for row in found.rows]
            if found.next_cursor is None:
                return numbers, True
            asked = asked.model_copy(update={"cursor": found.next_cursor})
    return numbers, False


def commonest(grams: Sequence[int], shares: Mapping[int, float], sure: int = 1) -> tuple[int, ...]:
    """The least telling gram alone."""
    return tuple(sorted(grams, key=lambda gram: -shares.get(gram, 0.0))[:1])


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows so small that hundreds of rows take all the ways through a table; the least telling grams."""
    for name, value in {
        "FEW": 8,
        "_FIRST_READ": 10,
        "_LONGEST_READ": 40,
        "_LONGEST_AREA": 30,
        "_BUCKETS_ASKED": 3,
        "_BUCKETS_IN_AREA": 3,
        "_SELDOM": 2.0,
    }.items():
        monkeypatch.setattr(plan, name, value)
    monkeypatch.setattr(service, "_SPARE", 0)
    monkeypatch.setattr(service, "rarest", commonest)


async def first_difference(world: World, count: int, seed: int) -> str | None:
    """The first of so many questions that a list and a look at every row answer differently."""
    draw = random.Random(seed)
    for _ in range(count):
        who, asked = claims(draw.choice(("360000", "360000", "360100", "360702"))), question(draw, world)
        (numbers, whole), right = await listed(world, who, asked), naive(world, who, asked)
        if numbers != right[: len(numbers)] or whole is not (len(numbers) == len(right)):
            return f"{who.region} {asked.model_dump_json(exclude_none=True)}"
    return None


async def test_lists_show_what_a_look_at_every_row_shows(world: World, small_steps: None) -> None:
    assert await first_difference(world, 60, SEED) is None


@pytest.mark.slow
async def test_lists_show_what_a_look_at_every_row_shows_at_length(world: World, small_steps: None) -> None:
    assert await first_difference(world, 1_000, SEED + 1) is None


async def test_all_ways_are_taken(world: World, small_steps: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The questions above walk by reading, by the index, in windows with and without buckets."""
    taken: set[tuple[str, bool]] = set()
    window_rows = repository.window_rows

    async def seen(session: Any, table: Any, window: plan.Window, *rest: Any) -> Any:
        taken.add((window.way, bool(window.buckets)))
        return await window_rows(session, table, window, *rest)

    monkeypatch.setattr(repository, "window_rows", seen)
    await first_difference(world, 25, SEED)
    assert taken == {("scan", False), ("area", False), ("index", True), ("index", False)}


@pytest.mark.parametrize(
    ("broken", "replacement"),
    [
        ("services.registry.search.service._opened", lambda *_: True),
        ("services.registry.search.repository._HOLDS", "true"),
        ("services.registry.search.service.query_grams", lambda _: [1]),
        ("services.registry.search.service.query_around", lambda _: [1]),
        ("services.registry.search.plan.Walk.resume", lambda *_: None),
    ],
    ids=[
        "contacts not looked at",
        "text not looked at",
        "wrong grams",
        "wrong grams around",
        "windows cut short",
    ],
)
async def test_negative_controls(
    world: World, small_steps: None, monkeypatch: pytest.MonkeyPatch, broken: str, replacement: Any
) -> None:
    """The comparison bites: each safeguard switched off is found."""
    monkeypatch.setattr(broken, replacement)
    assert await first_difference(world, 60, SEED)


@pytest.fixture
def by_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """The index is asked at once, and for names of places elsewhere however many have them."""
    monkeypatch.setattr(plan, "FEW", 10 * ROWS)
    monkeypatch.setattr(plan, "_SELDOM", 2.0)


async def places_amiss(world: World) -> str | None:
    """The first area and name of a place in it, in its city or far away that are answered wrongly."""
    for region, name, kind in product(REGIONS, (*PLACES, "昌市", "赣州脐橙", "-南昌市"), (None, "dead")):
        asked = PresenceQuery(q=name, region=region, status=kind, limit=200)
        numbers, whole = await listed(world, claims(), asked)
        if not whole or numbers != naive(world, claims(), asked):
            return f"{region} {name} {kind}"
    return None


async def test_names_of_places_elsewhere(
    world: World, by_index: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are asked for by the grams of those who name them from elsewhere, in texts and in contacts."""
    found: Counter[tuple[str, bool]] = Counter()
    window_rows = repository.window_rows

    async def seen(session: Any, table: Any, window: plan.Window, tokens: plan.Tokens, *rest: Any) -> Any:
        rows = await window_rows(session, table, window, tokens, *rest)
        if tokens.elsewhere and tokens.contacts_elsewhere:
            found.update((window.way, row.held) for row in rows)
        return rows

    monkeypatch.setattr(repository, "window_rows", seen)
    assert await places_amiss(world) is None
    assert found["index", True] > 50 and found["index", False] > 50


@pytest.mark.parametrize(
    ("broken", "replacement"),
    [
        ("services.registry.search.service.query_elsewhere", lambda *_: [1]),
        ("services.registry.search.service.contact_elsewhere", lambda *_: [1]),
        ("services.registry.search.plan.MOVED", 1),
    ],
    ids=["wrong grams", "wrong grams of contacts", "moved not asked"],
)
async def test_negative_controls_of_places(
    world: World, by_index: None, monkeypatch: pytest.MonkeyPatch, broken: str, replacement: Any
) -> None:
    """Rows are found by those grams alone, and the moved only as such."""
    monkeypatch.setattr(broken, replacement)
    assert await places_amiss(world)
