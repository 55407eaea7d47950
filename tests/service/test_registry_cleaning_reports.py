"""Platform reports: receipts that can be checked, rows judged, findings for late, short and false reports."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import true
from stdnum.cn import uscc

from services.common.dsse import pae
from services.common.identity import Claims
from services.common.settings import Settings
from services.registry.platform_reports import receipts, repository, service, tasks
from services.registry.platform_reports.rules import (
    Tally,
    before,
    check_row,
    columns_of,
    due_on,
    judge,
    period_at,
    rule_for,
)
from tests.records_world import OFFICER, Http, World, officer, running_world, sql

IMPORTER = OFFICER | {"registry:import"}
PROVINCE = officer("360000", "省", IMPORTER)
HEAD = (
    "经营者名称（姓名）,统一社会信用代码,身份证件号码,实际经营地址,"
    "联系方式,网店名称,网址链接,平台内编号,免登记情形"
)
GOOD = "莲塘茶行,91330106673959654P,,江西省南昌市南昌县莲塘镇澄湖路1号,13807911234,茶行小店,https://x.cn/{n},{n},"
LAST, NOW_PERIOD = "2026-01", "2026-07"


@pytest.fixture(scope="module")
async def world(
    make_settings: Callable[..., Settings], token_for: Callable[[Claims], dict[str, str]]
) -> AsyncIterator[World]:
    async with running_world(make_settings, token_for) as running:
        yield running


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """`at("2026-07-10")`: the day it is for platform reports."""

    def go(day: str) -> None:
        moment = datetime.fromisoformat(f"{day}T09:00:00").replace(tzinfo=UTC)
        monkeypatch.setattr(service, "utc_now", lambda: moment)
        monkeypatch.setattr(tasks, "utc_now", lambda: moment)

    return go


def table(rows: list[str]) -> bytes:
    return "\r\n".join([HEAD, *rows]).encode("gb18030")


def good(count: int) -> list[str]:
    """Rows without fault: each its own licence and telephone."""
    stems = [f"92360121MA3{n:06d}" for n in range(1, count + 1)]
    licences = [stem + uscc.calc_check_digit(stem) for stem in stems]
    return [
        GOOD.format(n=n).replace("13807911234", f"138{n:08d}").replace("91330106673959654P", licence)
        for n, licence in enumerate(licences, start=1)
    ]


async def send(http: Http, platform: str, data: bytes, period: str = NOW_PERIOD) -> Any:
    answer = await http.call(
        "POST",
        "/platform-reports",
        files={"file": ("7月报送.csv", data)},
        data={"platform": platform, "period": period},
    )
    assert answer.is_success, answer.text
    report = answer.json()
    for _ in range(1_500):
        if report["state"] in {"checked", "failed"}:
            break
        await asyncio.sleep(0.02)
        report = {**await http.get(f"/platform-reports/{report['id']}"), "duplicate": report["duplicate"]}
    return report


def codes(report: dict[str, Any]) -> list[str]:
    return [one["code"] for one in report["findings"]]


async def test_a_report_gets_a_receipt_anybody_can_check(world: World, at: Callable[[str], None]) -> None:
    at("2026-07-10")
    http = world.at_registry(PROVINCE)
    report = await send(http, "赣购网", table(good(3)))
    assert (report["state"], report["rows"], report["bad_rows"], report["late"]) == ("checked", 3, 0, False)
    assert report["encoding"] == "gb18030" and report["findings"] == []
    receipt = await http.get(f"/platform-reports/{report['id']}/receipt")
    key = await http.get("/platform-reports/receipt-key")
    public = load_pem_public_key(key["pem"].encode())
    assert isinstance(public, Ed25519PublicKey)
    payload = base64.b64decode(receipt["payload"])
    (signature,) = receipt["signatures"]
    public.verify(base64.b64decode(signature["sig"]), pae(receipt["payloadType"], payload))
    told = json.loads(payload)
    assert (told["sha256"], told["period"], told["late"]) == (report["sha256"], NOW_PERIOD, False)
    assert told["org_code"] == "360000-SJ" and told["article"] == "第二十五条"
    assert signature["keyid"] == key["keyid"]
    checked = await http.post("/platform-reports/receipt-check", receipt=receipt)
    assert checked == {"valid": True, "kept": True, "told": told}


async def test_a_changed_receipt_is_not_ours(world: World, at: Callable[[str], None]) -> None:
    at("2026-07-10")
    http = world.at_registry(PROVINCE)
    receipt = (await send(http, "改回执", table(good(1))))["receipt"]
    told = json.loads(base64.b64decode(receipt["payload"]))
    forged = base64.b64encode(json.dumps({**told, "late": True}).encode()).decode()
    for wrong in (
        {**receipt, "payload": forged},
        {**receipt, "payloadType": "application/vnd.in-toto+json"},
        {**receipt, "signatures": []},
        {"payload": 1},
        {},
    ):
        checked = await http.post("/platform-reports/receipt-check", receipt=wrong)
        assert checked == {"valid": False, "kept": False, "told": None}


async def test_it_is_the_signature_that_refuses_a_changed_receipt(
    world: World, at: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the test above: with the signature's check off, the changed receipt would pass."""
    at("2026-07-10")
    http = world.at_registry(PROVINCE)
    receipt = (await send(http, "改回执", table(good(1))))["receipt"]
    told = {**json.loads(base64.b64decode(receipt["payload"])), "late": True}
    forged = {**receipt, "payload": base64.b64encode(json.dumps(told).encode()).decode()}
    monkeypatch.setattr(
        receipts, "verify_signature", lambda envelope, key: base64.b64decode(envelope["payload"])
    )
    assert (await http.post("/platform-reports/receipt-check", receipt=forged))["valid"] is True


async def test_the_same_file_gets_the_first_receipt(world: World, at: Callable[[str], None]) -> None:
    at("2026-07-10")
    http = world.at_registry(PROVINCE)
    first = await send(http, "重复网", table(good(2)))
    at("2026-08-20")
    again = await send(http, "重复网", table(good(2)))
    assert (again["id"], again["receipt"], again["duplicate"]) == (first["id"], first["receipt"], True)
    assert again["late"] is False
    folder = world.settings.home / "platform-reports"
    kept = {path.name.split(".")[0] for path in folder.iterdir()}
    rows = await sql(world.registry.state.db, "SELECT id FROM platform_reports")
    assert kept == {row.id for row in rows}
    both = await asyncio.gather(*(send(http, "同时网", table(good(4))) for _ in range(4)))
    assert len({one["id"] for one in both}) == 1


async def test_rows_are_told_apart_and_the_error_file_holds_none_of_their_values(
    world: World, at: Callable[[str], None]
) -> None:
    at("2026-07-10")
    http = world.at_registry(PROVINCE)
    rows = [
        *good(2),
        good(1)[0],
        ",,,,,=cmd|' /C calc'!A0,,77,",
        "张三,,11010519491231002X,赣州市章贡区红旗大道12号,13700001111,三哥小店,https://x.cn/9,,零星小额交易",
        "李四,,123456,赣州市章贡区红旗大道13号,0797-8223344,四哥小店,https://x.cn/10,,",
        "王五,9133O106673959654P,,章贡区红旗大道14号,95188,五哥,https://x.cn/11,,",
    ]
    report = await send(http, "错误网", table(rows))
    assert (report["rows"], report["bad_rows"]) == (7, 3)
    told = {one["code"]: one["rows"] for one in report["remarks"]}
    assert told["row.repeated"] == 1 and told["missing.number"] == 1 and told["missing.exemption"] == 2
    assert told["id_card.format"] == 1 and told["uscc.alphabet"] == 1
    answer = await http.call("GET", f"/platform-reports/{report['id']}/errors")
    text = answer.content.decode("utf-8-sig")
    lines = text.splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == ["4", "5", "7", "8"]
    for value in ("13700001111", "123456", "9133O106673959654P", "calc", "澄湖路", "三哥"):
        assert value not in text
    original = await http.call("GET", f"/platform-reports/{report['id']}/original")
    assert original.content == table(rows)
    audit = await sql(
        world.registry.state.db,
        "SELECT event FROM audit WHERE object_id = :id ORDER BY seq",
        id=report["id"],
    )
    assert [row.event.split(".")[1] for row in audit] == ["received", "errors_exported", "original_exported"]


async def test_the_kept_file_is_sealed(world: World, at: Callable[[str], None]) -> None:
    at("2026-07-10")
    report = await send(world.at_registry(PROVINCE), "密封网", table(good(2)))
    for path in (world.settings.home / "platform-reports").glob(f"{report['id']}*"):
        assert path.stat().st_mode & 0o777 == 0o600
        assert "莲塘茶行".encode("gb18030") not in path.read_bytes()


async def test_late_short_and_false_reports_become_findings(world: World, at: Callable[[str], None]) -> None:
    http = world.at_registry(PROVINCE)
    at("2026-01-12")
    assert codes(await send(http, "滑坡网", table(good(40)), LAST)) == []
    at("2026-08-03")
    short = await send(http, "滑坡网", table(good(10)))
    assert codes(short) == ["platform_report.late", "platform_report.short"]
    assert (short["last_rows"], short["late"]) == (40, True)
    same_phone = [GOOD.format(n=n) for n in range(40)]
    assert codes(await send(http, "虚报网", table(same_phone))) == [
        "platform_report.late",
        "platform_report.false_rows",
    ]
    at("2026-07-20")
    found = (await http.get("/findings", code="platform_report.short"))["items"]
    assert [(one["detail"]["platform"], one["detail"]["rows"]) for one in found] == [("滑坡网", 10)]
    await send(http, "滑坡网", table(good(39)))
    (cured,) = (await http.get("/findings", code="platform_report.short"))["items"]
    assert cured["cleared_at"]


async def test_a_report_is_compared_with_what_the_registry_knows(
    world: World, at: Callable[[str], None]
) -> None:
    at("2026-07-10")
    http = world.at_registry(PROVINCE)
    await sql(
        world.registry.state.db,
        "INSERT INTO presences (id, channel, platform, native_id, licence, name, source, source_id, warnings,"
        " org_code, region_code, created_by, created_at, updated_at, search_text, grams)"
        " SELECT lpad(n::text, 26, '0'), CASE WHEN n <= 30 THEN 'shop' ELSE 'site_trade' END,"
        " CASE WHEN n <= 31 THEN '对照网' ELSE '自建网站' END, n::text, '913200005668848108', '店', 'test',"
        " n::text, '[]', '360702-SJ', '360702', 't', now(), now(), '', '{}' FROM generate_series(1, 90) n",
    )
    report = await send(http, "对照网", table(good(3)))
    assert (report["known_shops"], report["rows"], report["bad_rows"]) == (30, 3, 3)
    assert codes(report) == ["platform_report.short", "platform_report.false_rows"]
    text = (await http.call("GET", f"/platform-reports/{report['id']}/errors")).text
    assert text.count("licence.differs") == 3
    expected = {one["platform"]: one for one in (await http.get("/platform-reports/due"))["platforms"]}
    assert expected["对照网"]["state"] == "received" and expected["对照网"]["known_shops"] == 30
    assert "自建网站" not in expected, "sites their operators run themselves are on no platform"


async def test_who_reported_last_time_and_not_now_is_missed(world: World, at: Callable[[str], None]) -> None:
    http = world.at_registry(PROVINCE)
    at("2026-01-12")
    await send(http, "失踪网", table(good(2)), LAST)
    at("2026-07-31")
    jobs: tasks.ReportJobs = world.registry.state.report_jobs
    await jobs.notice_missing()
    # The service's own look may have come between two tests, with today's date: it names platforms of theirs.
    assert "失踪网" not in await missed(http)
    at("2026-08-01")
    await jobs.notice_missing()
    assert "失踪网" in await missed(http)
    states = {one["platform"]: one["state"] for one in (await http.get("/platform-reports/due"))["platforms"]}
    assert states["失踪网"] == "missing"


async def missed(http: Http) -> list[str]:
    found = (await http.get("/findings", code="platform_report.missing"))["items"]
    return [one["detail"]["platform"] for one in found]


async def test_what_cannot_be_read_keeps_its_receipt_and_says_why(
    world: World, at: Callable[[str], None]
) -> None:
    at("2026-07-10")
    http = world.at_registry(PROVINCE)
    report = await send(http, "怪文件网", "甲,乙\r\n1,2\r\n".encode())
    assert report["state"] == "failed" and "网店名称" in report["failure"]
    assert (await http.post("/platform-reports/receipt-check", receipt=report["receipt"]))["kept"]
    answer = await http.call("GET", f"/platform-reports/{report['id']}/errors")
    assert (answer.status_code, answer.json()["code"]) == (409, "platform_report.unread")
    for period in ("2026-05", "2027-01"):
        refused = await http.call(
            "POST",
            "/platform-reports",
            files={"file": ("a.csv", b"x")},
            data={"platform": "甲", "period": period},
        )
        assert (refused.status_code, refused.json()["code"]) == (422, "platform_report.period")


async def test_a_check_cut_short_is_taken_up_again(world: World, at: Callable[[str], None]) -> None:
    at("2026-07-10")
    http = world.at_registry(PROVINCE)
    report = await send(http, "中断网", table(good(5)))
    await sql(
        world.registry.state.db,
        "UPDATE platform_reports SET state = 'checking', rows = NULL, done = 2, updated_at = :at"
        " WHERE id = :id",
        at=datetime(2026, 7, 10, 8, tzinfo=UTC),
        id=report["id"],
    )
    await world.registry.state.report_jobs.run()
    again = await http.get(f"/platform-reports/{report['id']}")
    assert (again["state"], again["rows"], again["receipt"]) == ("checked", 5, report["receipt"])


async def test_it_is_the_scope_that_hides_a_report(
    world: World, at: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the test below: without the region's condition the county would see the report."""
    at("2026-07-10")
    report = await send(world.at_registry(PROVINCE), "隔离网", table(good(2)))
    monkeypatch.setattr(repository, "region_filter", lambda column, claims: true())
    county = world.at_registry(officer("360702", "章贡", IMPORTER))
    assert (await county.get(f"/platform-reports/{report['id']}"))["id"] == report["id"]


async def test_another_region_and_a_reader(world: World, at: Callable[[str], None]) -> None:
    at("2026-07-10")
    report = await send(world.at_registry(PROVINCE), "隔离网", table(good(2)))
    county = world.at_registry(officer("360702", "章贡", IMPORTER))
    for path in ("", "/receipt", "/errors", "/original"):
        assert (await county.call("GET", f"/platform-reports/{report['id']}{path}")).status_code == 404
    assert (await county.get("/platform-reports"))["items"] == []
    checked = await county.post("/platform-reports/receipt-check", receipt=report["receipt"])
    assert (checked["valid"], checked["kept"]) == (True, False)
    reader = world.at_registry(officer("360000", "读"))
    for path in ("/errors", "/original"):
        assert (await reader.call("GET", f"/platform-reports/{report['id']}{path}")).status_code == 403
    assert (await reader.call("POST", "/platform-reports")).status_code == 403


def test_periods_are_data_and_flagged() -> None:
    rule = rule_for("2026-07")
    assert rule is not None and rule.verified is False
    assert due_on("2026-07", rule) == date(2026, 7, 31)
    assert rule_for("2026-02") is None and rule_for("2021-01") is None and rule_for("x") is None
    assert period_at(date(2026, 6, 30)) == "2026-01" and period_at(date(2026, 7, 1)) == "2026-07"
    assert before("2026-07") == "2026-01" and before("2026-01") == "2025-07"
    assert period_at(date(2020, 1, 1)) is None


@given(
    st.dictionaries(
        st.sampled_from(["name", "licence", "id_card", "phone", "address", "url"]), st.text(max_size=40)
    )
)
def test_any_row_is_judged(values: dict[str, str]) -> None:
    tally, rule = Tally(), rule_for("2026-07")
    kept = dict(values)
    found = tally.take(values, check_row(values))
    assert values == kept and all(one.zh and one.en for one in found)
    assert rule is not None
    judge(rule, tally, late=False, last_rows=None, known=0)


@given(st.lists(st.text(max_size=20), max_size=12))
def test_any_header_is_read(headers: list[str]) -> None:
    assert all(0 <= position < len(headers) for position in columns_of(headers).values())
