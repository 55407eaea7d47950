"""`wangjian registry search`: what it prints, what it hides, what it leaves in the audit, how it refuses."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from services.common.identity import Claims
from services.common.settings import Settings
from tests.records_world import World, officer, running_world, sql

PHONE = "13912345678"


@pytest.fixture(scope="module")
async def world(
    make_settings: Callable[..., Settings], token_for: Callable[[Claims], dict[str, str]]
) -> AsyncIterator[World]:
    async with running_world(make_settings, token_for) as started:
        http = started.at_registry(officer("360781"))
        await http.post("/subjects", name="瑞金市命令行脐橙合作社", phone=PHONE)
        for number in range(3):
            shop = {"channel": "shop", "platform": "淘宝", "phone": PHONE}
            await http.post("/presences", name=f"命令行脐橙{number}店", **shop)
        yield started


async def command(world: World, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `wangjian registry search …` on the world's database, in a process of its own."""
    environment = {
        **os.environ,
        "WANGJIAN_DATABASE_URL_REGISTRY": world.settings.database_url("registry"),
        "PYTHONIOENCODING": "utf-8",
    }
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "wangjian", "registry", "search", *arguments],
        env=environment, text=True, capture_output=True, timeout=120, check=False,
    )  # fmt: skip


async def searched(world: World) -> int:
    ((count,),) = await sql(
        world.registry.state.db, "SELECT count(*) FROM audit WHERE event = 'registry.searched'"
    )
    return int(count)


async def test_both_kinds_are_listed_masked_and_audited(world: World) -> None:
    before = await searched(world)
    found = await command(world, PHONE[-4:], "--limit", "2")
    assert found.returncode == 0, found.stderr
    lines = found.stdout.splitlines()
    assert lines[0] == "主体 subjects: 1" and "瑞金市命令行脐橙合作社" in lines[1]
    assert lines[2] == "网店 shops: 2+" and "命令行脐橙2店" in lines[3]
    assert PHONE not in found.stdout + found.stderr
    assert await searched(world) == before + 1
    words = await sql(
        world.registry.state.db, "SELECT a::text FROM audit AS a WHERE event = 'registry.searched'"
    )
    assert PHONE[-4:] not in str(words)


async def test_json_has_the_same_and_is_masked(world: World) -> None:
    found = await command(world, "脐橙", "--region", "360781", "--json")
    answer = json.loads(found.stdout)
    assert found.returncode == 0 and answer["subjects_more"] is answer["presences_more"] is False
    assert [row["name"] for row in answer["presences"]] == [f"命令行脐橙{n}店" for n in (2, 1, 0)]
    assert {row["phone"] for row in (*answer["subjects"], *answer["presences"])} == {"139****5678"}
    elsewhere = await command(world, "脐橙", "--region", "360100", "--json")
    assert json.loads(elsewhere.stdout)["presences"] == []


@pytest.mark.parametrize("arguments", [("x", "--region", "nowhere"), ("",), ("x", "--limit", "0"), ()])
async def test_what_is_not_valid_ends_with_code_two_and_no_audit(
    world: World, arguments: tuple[str, ...]
) -> None:
    before = await searched(world)
    refused = await command(world, *arguments)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.strip() and "Traceback" not in refused.stderr
    assert await searched(world) == before


async def test_without_a_database_it_says_so(world: World) -> None:
    gone = {"database_url_registry": "postgresql+psycopg://postgres@/none?host=/nowhere"}
    refused = await command(replace(world, settings=world.settings.model_copy(update=gone)), "x")
    assert refused.returncode == 2 and "wangjian up" in refused.stderr
    assert "Traceback" not in refused.stderr
