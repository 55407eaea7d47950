"""CSV import: odd files, upsert, atomic batches, safe export, and the command line."""

import io
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from services.common.identity import Claims
from services.common.settings import Settings
from services.registry.bootstrap import load_demo
from services.registry.imports import repository as imports_repository
from services.registry.imports.service import BATCH_ROWS, import_shops
from tests.records_world import World, officer, running_world, sql

HEADER = "id,name,phone,qq,wechat,address,licence,icp,platform"


@pytest.fixture(scope="module")
async def world(
    make_settings: Callable[..., Settings], token_for: Callable[[Claims], dict[str, str]]
) -> AsyncIterator[World]:
    async with running_world(make_settings, token_for) as running:
        yield running


async def load(world: World, claims: Claims, data: bytes | str, source: str = "平台报送") -> dict[str, Any]:
    raw = data if isinstance(data, bytes) else data.encode()
    answer = await world.at_registry(claims).call(
        "POST", "/imports", files={"file": ("shops.csv", raw, "text/csv")}, data={"source": source}
    )
    assert answer.status_code == 201, answer.text
    result: dict[str, Any] = answer.json()
    return result


@pytest.mark.parametrize(
    ("county", "codec"),
    [("360102", "utf-8"), ("360103", "utf-8-sig"), ("360104", "gb18030"), ("360111", "utf-16")],
)
async def test_encodings(world: World, county: str, codec: str) -> None:
    claims = officer(county)
    text = f"{HEADER}\r\n1,\u3400𠮷茶行,13807911234,,,江西南昌,,,淘宝\r\n"
    result = await load(world, claims, text.encode(codec))
    assert (result["created"], result["errors"], result["state"]) == (1, [], "done")
    (row,) = (await world.at_registry(claims).get("/presences", q="𠮷茶行"))["items"]
    assert (row["name"], row["channel"], row["source_id"]) == ("\u3400𠮷茶行", "shop", "1")


async def test_importing_again_updates_by_source_and_id(world: World) -> None:
    claims = officer("360112")
    rows = [f"{i},店{i},,,,,91330106673959654P,," for i in range(3)]
    first = await load(world, claims, "\n".join([HEADER, *rows]))
    assert [first[k] for k in ("rows", "created", "updated", "unchanged")] == [3, 3, 0, 0]
    rows[1] = "1,店1改名,,,,,91330106673959654P,,"
    second = await load(world, claims, "\n".join([HEADER, *rows]))
    assert [second[k] for k in ("created", "updated", "unchanged")] == [0, 1, 2]
    other_source = await load(world, claims, "\n".join([HEADER, *rows]), source="市局名录")
    assert other_source["created"] == 3
    http = world.at_registry(claims)
    assert (await http.get("/presences", q="店1改名"))["total"] == 2
    (subject,) = (await http.get("/subjects"))["items"]
    assert subject["licence"] == "91330106673959654P"
    assert len((await http.get(f"/subjects/{subject['id']}"))["presences"]) == 6


async def test_bad_rows_are_named_and_the_rest_is_taken(world: World) -> None:
    claims = officer("360113")
    body = "\n".join(
        [
            HEADER,
            "1,好店,13807911234,,,,,,",
            ",无编号,,,,,,,",
            "3,短行",
            "4,含\0空,,,,,,,",
            f"5,{'长' * 3_500_000},,,,,,,",
            "6,NULL词,NULL,,无,,913301066739596541,,",
            "7,=HYPERLINK(1),+8613807911234,,@wx,，,,,",
            "1,好店后写,,,,,,,",
        ]
    )
    result = await load(world, claims, body)
    assert (result["rows"], result["created"], result["error_count"]) == (8, 3, 4)
    assert [(e["row"], e["code"]) for e in result["errors"]] == [
        (3, "cell.missing"),
        (4, "row.columns"),
        (5, "cell.nul"),
        (6, "cell.too_long"),
    ]
    codes = {(w["row"], w["code"]) for w in result["warnings"]}
    assert {(7, "cell.null_word"), (7, "uscc.check_digit"), (9, "row.double")} <= codes
    http = world.at_registry(claims)
    assert (await http.get("/presences", q="好店后写"))["total"] == 1
    (formula,) = (await http.get("/presences", q="HYPERLINK"))["items"]
    assert formula["name"] == "=HYPERLINK(1)"
    export = (await http.call("GET", "/presences/export")).content.decode("utf-8-sig")
    assert "'=HYPERLINK(1)" in export and ",=" not in export and ",@" not in export
    assert "13807911234" not in export


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "import.header"),
        (b"name,id\n1,2\n", "import.header"),
        (b"\x89PNG\r\n\x1a\n\xff\xff\x81", "import.encoding"),
        (b"PK\x03\x04\xff\xfe\xff\xff", "import.encoding"),
    ],
)
async def test_files_that_are_no_list_of_shops(world: World, data: bytes, code: str) -> None:
    answer = await world.at_registry(officer("360121")).call(
        "POST", "/imports", files={"file": ("x.csv", data, "text/csv")}
    )
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    left = await sql(world.registry.state.db, "SELECT 1 FROM imports WHERE org_code = '360121-SJ'")
    assert left == []


async def test_a_file_that_breaks_off_keeps_whole_batches_and_says_so(world: World) -> None:
    claims = officer("360202")
    good = [f"{i},店{i},,,,,,," for i in range(BATCH_ROWS + 10)]
    result = await load(world, claims, "\n".join([HEADER, *good, '9999,"没有收尾的引号,,,,,,,']))
    assert (result["state"], result["rows"], result["created"]) == ("failed", BATCH_ROWS, BATCH_ROWS)
    assert result["errors"][-1]["code"] == "import.csv"
    mended = await load(world, claims, "\n".join([HEADER, *good]))
    assert (mended["state"], mended["created"], mended["unchanged"]) == ("done", 10, BATCH_ROWS)


async def test_a_batch_is_whole_or_not_at_all(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault after a batch's rows were written takes the rows back with it."""
    claims = officer("360203")
    data = "\n".join(
        [HEADER, *(f"{i},店{i},,,,,91330106673959654P,," for i in range(BATCH_ROWS * 2))]
    ).encode()
    real, calls = imports_repository.upsert_presences, []

    async def failing(session: Any, rows: list[dict[str, Any]]) -> tuple[int, int]:
        counts = await real(session, rows)
        calls.append(len(rows))
        if len(calls) == 2:
            raise RuntimeError("the machine stops here")
        return counts

    monkeypatch.setattr(imports_repository, "upsert_presences", failing)
    with pytest.raises(RuntimeError):
        await import_shops(
            world.registry.state.db, claims, stream=io.BytesIO(data), filename="a.csv", source="断电"
        )
    database = world.registry.state.db
    (kept,) = await sql(database, "SELECT count(*) FROM presences WHERE org_code = '360203-SJ'")
    (told,) = await sql(database, "SELECT state, rows, created FROM imports WHERE org_code = '360203-SJ'")
    assert kept[0] == BATCH_ROWS and tuple(told) == ("running", BATCH_ROWS, BATCH_ROWS)


async def test_rows_go_to_the_county_their_address_names(world: World) -> None:
    province = officer("360000", "省")
    rows = [
        "1,瑞金店,,,,江西省赣州市瑞金市象湖镇1号,,,",
        "2,无址店,,,,,,,",
        "3,外省店,,,,浙江省杭州市西湖区1号,,,",
    ]
    await load(world, province, "\n".join([HEADER, *rows]), source="省名录")
    http = world.at_registry(province)
    placed = {row["name"]: row["region_code"] for row in (await http.get("/presences"))["items"]}
    assert (placed["瑞金店"], placed["无址店"], placed["外省店"]) == ("360781", "360000", "360000")
    assert (await world.at_registry(officer("360781")).get("/presences", q="瑞金店"))["total"] == 1
    county = await load(world, officer("360783"), "\n".join([HEADER, rows[0]]), source="县名录")
    assert [w["code"] for w in county["warnings"]] == ["address.outside"]


async def test_imports_are_listed_with_their_remarks(world: World) -> None:
    claims = officer("360281")
    made = await load(world, claims, f"{HEADER}\n1,店,123,,,,,,\n2,,,,,,,,\n")
    (row,) = (await world.at_registry(claims).get("/imports"))["items"]
    assert (row["id"], row["warning_count"], row["error_count"]) == (made["id"], 1, 1)
    whole = await world.at_registry(claims).get(f"/imports/{made['id']}")
    assert [e["row"] for e in whole["errors"]] == [3]
    stranger = await world.at_registry(officer("360121")).call("GET", f"/imports/{made['id']}")
    assert stranger.status_code == 404


async def test_the_demo_market_comes_in(world: World) -> None:
    result = await load_demo(world.registry.state.db)
    assert result.created > 0 and result.errors == []
    again = await load_demo(world.registry.state.db)
    assert (again.created, again.updated, again.unchanged) == (0, 0, result.created)


def test_the_command_line(world: World, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text(f"{HEADER}\n1,命令行店,,,,,,,\n", encoding="gb18030")
    bad.write_text("x,y\n", encoding="utf-8")
    env = {**os.environ, "WANGJIAN_DATABASE_URL_REGISTRY": world.settings.database_url("registry")}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "services.registry.imports", *arguments]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)

    done = run(str(good), "--org", "360121-SJ", "--source", "cli")
    assert (done.returncode, "新增 created 1" in done.stdout) == (0, True), done.stderr
    failed = run(str(bad))
    assert failed.returncode == 2 and len(failed.stderr.splitlines()) == 1, failed.stderr
