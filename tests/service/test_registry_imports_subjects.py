"""Subjects that a list makes known by their licences: one for each, whichever batch comes first."""

from collections.abc import AsyncIterator, Callable

import pytest

from services.common.identity import Claims
from services.common.settings import Settings
from tests.records_world import World, running_world, sql
from tests.registry_lists import HEADER, importer, load


@pytest.fixture(scope="module")
async def world(
    make_settings: Callable[..., Settings], token_for: Callable[[Claims], dict[str, str]]
) -> AsyncIterator[World]:
    async with running_world(make_settings, token_for) as running:
        yield running


async def test_a_licence_in_several_batches_under_way_is_one_subject(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches are sorted ahead of what is written: none breaks, and an unusable row makes no subject."""
    broke: list[BaseException] = []

    async def failed(_: object, __: str, error: Exception) -> None:
        broke.append(error)
        raise error

    monkeypatch.setattr("services.registry.imports.taking.run.BATCH", 2)
    monkeypatch.setattr("services.registry.imports.runner.ImportRunner._failed", failed)
    shared, late = "91330106673959654P", "913604837055412345"
    licences = [shared, late, shared, late, "", late, shared, ""]
    rows = [f"{n},{'' if n == 1 else f'多批店{n}'},,,,,{one},," for n, one in enumerate(licences)]
    claims = importer("360424")
    made = await load(world, claims, "\n".join([HEADER, *rows]))
    assert (broke, made["created"], made["error_count"]) == ([], 7, 1)
    owners = "SELECT p.source_id, s.licence FROM presences p JOIN subjects s ON s.id = p.subject_id"
    found = await sql(world.registry.state.db, f"{owners} WHERE p.import_id = :i", i=made["id"])
    assert dict(map(tuple, found)) == {"0": shared, "2": shared, "3": late, "5": late, "6": shared}
    subjects = await world.at_registry(claims).get("/subjects")
    assert sorted(one["licence"] for one in subjects["items"]) == sorted([shared, late])


async def test_a_licence_of_a_merged_subject_leads_to_the_one_it_was_merged_into(world: World) -> None:
    claims = importer("360483")
    http = world.at_registry(claims)
    made = [
        await http.post("/subjects", name="合并茶行", licence=licence, phone="13807915678")
        for licence in ("91360483MA35TJ1X0A", "913604837055412345", "360483210012345")
    ]
    database = world.registry.state.db
    first = f"{HEADER}\n1,合并茶行拼多多店,,,,,{made[0]['licence']},,拼多多\n"
    await load(world, claims, first)
    owner = "SELECT subject_id AS id FROM presences WHERE source_id = :n AND region_code = '360483'"
    assert (await sql(database, owner, n="1"))[0].id == made[0]["id"]  # nothing is merged yet
    for gone, kept in ((0, 1), (1, 2)):
        await sql(
            database,
            "UPDATE subjects SET merged_into = :kept, status = 'merged' WHERE id = :gone",
            kept=made[kept]["id"],
            gone=made[gone]["id"],
        )
    again = f"{first.replace('拼多多店', '拼多多旗舰店')}2,合并茶行淘宝店,,,,,{made[1]['licence']},,淘宝\n"
    result = await load(world, claims, again)
    assert (result["created"], result["updated"]) == (1, 1)
    for number in ("1", "2"):
        assert (await sql(database, owner, n=number))[0].id == made[2]["id"]
