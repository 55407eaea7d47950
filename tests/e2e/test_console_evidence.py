"""Custody, proofs, prints and the health of sealing on the screen: keyboard, both languages, no barrier."""

import datetime as dt
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from playwright.async_api import Browser, Page, Route, expect

from infra.embedded.postgres import EmbeddedPostgres
from tests import console_desk
from tests.console_desk import Person
from tests.stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.browser]

HAN = re.compile(r"[㐀-鿿]")


@pytest.fixture(scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async with console_desk.browser() as started:
        yield started


@pytest.fixture
async def officer(chromium: Browser, stack: Stack) -> AsyncIterator[Person]:
    async with console_desk.person(chromium, stack.base_url) as someone:
        await someone.sign_in("nanchang_officer", stack.passwords["nanchang_officer"])
        yield someone


CAPTURE = """
async (url) => {
  const token = (await (await fetch('/api/session')).json()).csrf_token
  const headers = { 'content-type': 'application/json', 'x-csrf-token': token }
  const body = JSON.stringify({ url, reason: '保管链测试' })
  let capture = await (await fetch('/api/captures', { method: 'POST', headers, body })).json()
  while (['queued', 'running'].includes(capture.state)) {
    await new Promise((again) => setTimeout(again, 300))
    capture = await (await fetch(`/api/captures/${capture.id}`)).json()
  }
  return capture
}
"""


ASK = """
async ([method, path, body]) => {
  const token = (await (await fetch('/api/session')).json()).csrf_token
  const headers = { 'content-type': 'application/json', 'x-csrf-token': token }
  const sent = body ? JSON.stringify(body) : undefined
  const answer = await fetch('/api' + path, { method, headers, body: sent })
  return { status: answer.status, body: await answer.json() }
}
"""


async def ask(person: Person, method: str, path: str, **body: Any) -> Any:
    """The platform's answer to a person, as the console would ask it: {status, body}."""
    return await person.page.evaluate(ASK, [method, path, body or None])


async def captured(officer: Person, stack: Stack) -> str:
    """Capture the market's home page; gives the sealed item's id."""
    capture = await officer.page.evaluate(CAPTURE, stack.market_url + "/")
    assert capture["state"] == "sealed", capture
    return str(capture["evidence_id"])


async def open_item(officer: Person, stack: Stack, tab: str = "") -> str:
    """Open the newest sealed item (captured now, when there is none) by its row in the list; gives its id."""
    page = officer.page
    await officer.open("/evidence")
    if await page.locator("tbody tr", has_text="已固证").count() == 0:
        await captured(officer, stack)
        await officer.open("/evidence")
    row = page.locator("tbody tr", has_text="已固证").first
    await expect(row).to_be_visible()
    address = await row.locator("a.lead-link").get_attribute("href")
    assert address is not None
    await officer.open(address + tab)
    return address.rsplit("/", 1)[1]


async def settled_chain(page: Page) -> None:
    """Reload the chain until its newest records are in the log."""
    chain = page.locator("[data-test=chain]")
    await expect(chain).to_be_visible()
    for _ in range(20):
        if "完整" in await chain.inner_text() and "登记中" not in await chain.inner_text():
            return
        await page.wait_for_timeout(500)
        await chain.locator("button").first.click()
    raise AssertionError(await chain.inner_text())


async def english(officer: Person) -> None:
    await officer.page.click("[data-test=language]")
    assert await officer.page.evaluate("document.documentElement.lang") == "en"


async def test_the_chain_and_a_proof_by_keyboard(officer: Person, stack: Stack, tmp_path: Path) -> None:
    page = officer.page
    item = await open_item(officer, stack, "?tab=custody")
    await settled_chain(page)
    first = page.locator("[data-test=custody] > li").first
    await expect(first).to_contain_text("采集完成")
    stamp = first.locator("time")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", await stamp.inner_text())
    assert str(await stamp.get_attribute("title")).endswith("Z")
    await officer.check("custody")

    await first.locator("[data-test=proof-open]").focus()
    await page.keyboard.press("Enter")
    proof = page.locator("[data-test=proof]")
    await expect(proof).to_contain_text("这份证明说明")
    await expect(proof).to_contain_text("见证方会签")
    async with page.expect_download() as waiting:
        await officer.tab_to("[data-test=proof-download]")
        await page.keyboard.press("Enter")
    file = tmp_path / (await waiting.value).suggested_filename
    await (await waiting.value).save_as(file)
    assert json.loads(file.read_text("utf-8"))["schema"] == "urn:wangjian:custody-proof:v1"
    await officer.tab_to("[data-test=proof-verify]")
    await page.keyboard.press("Enter")
    await expect(proof.locator("[data-test=verdict]")).to_have_class(re.compile("LOGGED"))
    await officer.check("proof")

    # The file convinces somebody who has only the verifier and a trust file.
    trust = tmp_path / "trust.json"
    trust.write_text(await page.evaluate("async () => (await fetch('/api/trust')).text()"), "utf-8")
    done = stack.command("verify", str(file), "--trust", str(trust))
    assert done.returncode == 3, done.stdout + done.stderr
    assert "LOGGED" in done.stdout
    assert item in file.name

    await english(officer)
    words = await page.locator("[data-test=chain], [data-test=proof] > div > p").all_inner_texts()
    assert words and not HAN.search(" ".join(words)), words
    await officer.check("proof in English")


async def test_a_record_an_administrator_altered_is_red_and_says_so(officer: Person, stack: Stack) -> None:
    page = officer.page
    item = await open_item(officer, stack, "?tab=custody")
    await settled_chain(page)
    await expect(page.locator("[data-test=custody-faults], [data-test=custody-gap]")).to_have_count(0)
    select = "SELECT reason FROM custody_events WHERE evidence_id = %s AND seq = 1"
    change = "UPDATE custody_events SET reason = %s WHERE evidence_id = %s AND seq = 1"
    remove = "DELETE FROM custody_events WHERE evidence_id = %s AND seq = 2 RETURNING *"
    with administrator(stack) as database:
        (before,) = database.execute(select, (item,)).fetchall()
        database.execute(change, ("改动", item))
        (removed,) = database.execute(remove, (item,)).fetchall()
    try:
        await officer.open(f"/evidence/{item}?tab=custody")
        chain = page.locator("[data-test=chain]")
        await expect(chain).to_contain_text("保管链被改动")
        first = page.locator("[data-test=custody] > li").first
        await expect(first.locator("[data-verdict=altered]")).to_contain_text("数据库字段与记录原文不一致")
        await expect(page.locator("[data-test=custody-gap]")).to_have_text(re.compile("缺少第 2 至 2 号记录"))
        await officer.check("altered chain")
        await english(officer)
        await expect(chain).to_contain_text("altered")
        assert not HAN.search(await page.locator("[data-test=custody-gap]").inner_text())
    finally:
        with administrator(stack) as database:
            database.execute(change, (before[0], item))
            values = ", ".join(["%s"] * len(removed))
            row = [psycopg.types.json.Jsonb(v) if isinstance(v, dict) else v for v in removed]
            database.execute(f"INSERT INTO custody_events VALUES ({values})", row)  # noqa: S608
    await officer.open(f"/evidence/{item}?tab=custody")
    await expect(page.locator("[data-test=custody-faults], [data-test=custody-gap]")).to_have_count(0)


def administrator(stack: Stack) -> psycopg.Connection:
    """A database administrator's session, with triggers switched off."""
    url = EmbeddedPostgres(stack.home, stack.home / "run").url("evidence")
    database = psycopg.connect(url.replace("postgresql+psycopg://", "postgresql://"))
    database.execute("SET session_replication_role = replica")
    return database


async def test_a_print_has_number_digests_code_pages_and_the_whole_chain(
    officer: Person, stack: Stack, tmp_path: Path
) -> None:
    page = officer.page
    await open_item(officer, stack, "?tab=custody")
    await page.click("[data-test=print]")
    await page.click("[data-test=print-prepare]")
    await expect(page.locator("#print-reason-fault")).to_be_visible()
    await officer.check("print without a reason")
    await page.fill("#print-reason", "入卷存档")
    await page.keyboard.press("Enter")
    sheet = page.locator("[data-test=print-sheet]")
    await expect(sheet).to_be_visible()
    text = await sheet.inner_text()
    assert re.search(r"WJ-360121-\d{4}-\d{8}", text)
    assert len(set(re.findall(r"\b[0-9a-f]{64}\b", text))) >= 3
    code = sheet.locator("svg[role=img]")
    label = str(await code.get_attribute("aria-label"))
    assert re.search(r"/verify/#WJ-360121-\d{4}-\d{8}\.[0-9a-f]{64}$", label)
    rows = sheet.locator("[data-test=print-chain] tbody tr")
    await expect(rows.last).to_contain_text("打印")
    await expect(rows.last).to_contain_text("入卷存档")
    await officer.check("print")
    await page.emulate_media(media="print")
    await expect(page.locator("[data-test=print-now]")).to_be_hidden()
    await page.emulate_media(media="screen")
    assert (await page.pdf(prefer_css_page_size=True)).startswith(b"%PDF")

    await page.evaluate("localStorage.setItem('wj-locale', 'en')")
    await page.reload()
    await page.fill("#print-reason", "for the file")
    await page.keyboard.press("Enter")
    await expect(sheet).to_be_visible()
    assert not HAN.search(" ".join(await sheet.locator("h1, h2, dt, th").all_inner_texts()))
    await officer.check("print in English")


HALFWAY = [
    ("signed", 60, "上限为 4 小时"),
    ("signed", 3 * 3600, "接近 4 小时上限"),
    ("stamped", 60, "等待日志见证方会签"),
    ("logged", 60, "等待第三方留存副本"),
    ("signed", 5 * 3600, "暂停受理新的取证"),
]


async def test_an_unsealed_item_says_what_it_waits_for(officer: Person, stack: Stack) -> None:
    """The platform's own answer, set back to a stage: sealing is too quick here to be seen halfway."""
    page = officer.page
    item = await open_item(officer, stack)
    stage, waited, said = HALFWAY[0]

    async def halfway(route: Route) -> None:
        body = await (await route.fetch()).json()
        since = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=waited)
        body |= {"stage": stage, "evidence_no": None, "sealed_at": None, "signed_at": since.isoformat()}
        body["seals"] |= {"custodians": [], "custodian": None}
        body["last_error"] = {"detail": "时间戳服务暂时不可用", "detail_en": "the authority is away"}
        await route.fulfill(json=body)

    await page.route(f"**/api/evidence/{item}", halfway)
    notice = page.locator("[data-test=evidence-notice]")
    for stage, waited, said in HALFWAY:  # noqa: B007 - the route above reads them
        await officer.open(f"/evidence/{item}?tab=seals")
        await expect(notice).to_contain_text(said)
        await expect(page.locator("[data-test=copy]").first).to_contain_text("待确认")
    await officer.check(said)
    await english(officer)
    assert not HAN.search(await notice.inner_text())
    await officer.check("unsealed, in English")


async def test_a_hold_is_placed_and_lifted_with_its_reason_on_record(officer: Person, stack: Stack) -> None:
    page = officer.page
    await open_item(officer, stack)
    item = await captured(officer, stack)
    await officer.open(f"/evidence/{item}?tab=seals")
    kept = page.locator("[data-seal=retention]")
    await kept.locator("[data-test=hold]").click()
    await page.click("[data-test=hold-now]")
    await expect(page.locator("#hold-reason-fault")).to_be_visible()
    await officer.check("hold without a reason")
    await page.fill("#hold-reason", "当事人提起行政诉讼")
    await page.keyboard.press("Enter")
    await expect(kept).to_contain_text("当事人提起行政诉讼")
    await expect(kept.locator("[data-test=hold]")).to_have_text("解除保全冻结")
    again = await ask(officer, "POST", f"/evidence/{item}/hold", reason="再次")
    assert (again["status"], again["body"]["code"]) == (409, "evidence.already_held"), again
    await english(officer)
    await expect(kept.locator("[data-test=hold]")).to_have_text("Lift legal hold")
    await officer.check("held, in English")
    await kept.locator("[data-test=hold]").click()
    await page.fill("#hold-reason", "撤诉")
    await page.keyboard.press("Enter")
    await expect(kept).not_to_contain_text("当事人提起行政诉讼")
    events = (await ask(officer, "GET", f"/evidence/{item}/custody"))["body"]["events"]
    told = [(event["event"], event["reason"]) for event in events if event["event"] in ("held", "released")]
    assert told == [("held", "当事人提起行政诉讼"), ("released", "撤诉")]


async def test_a_renewed_proof_of_time_is_shown(officer: Person, stack: Stack) -> None:
    """The platform's own answer with a renewal put in: stamps made now need none for years."""
    page = officer.page
    item = await open_item(officer, stack)
    renewal = {"first_at": "2034-01-02T03:04:05Z", "renewed_at": "2034-01-02T03:04:06Z"}
    renewal |= {"valid_until": "2044-05-06T07:08:09Z", "stamps": 2, "algorithm": "sha512"}

    async def renewed(route: Route) -> None:
        body = await (await route.fetch()).json()
        assert body["renewal"] is None
        await route.fulfill(json=body | {"renewal": renewal})

    await page.route(f"**/api/evidence/{item}", renewed)
    await officer.open(f"/evidence/{item}?tab=seals")
    shown = page.locator("[data-seal=renewal]")
    await expect(shown).to_contain_text("2044-05-06")
    await expect(shown.locator("a")).to_have_attribute("href", f"/api/evidence/{item}/record")
    await officer.check("renewed")


async def test_sealing_says_how_it_is_to_those_who_run_the_system(chromium: Browser, stack: Stack) -> None:
    async with console_desk.person(chromium, stack.base_url) as someone:
        await someone.sign_in("sysadmin", stack.passwords["sysadmin"])
        await someone.open("/system")
        health = someone.page.locator("[data-test=evidence-health]")
        for part in (
            "unstamped",
            "unwitnessed",
            "unreplicated",
            "authorities",
            "log",
            "custodians",
            "store",
            "sweep",
            "renewal",
        ):
            await expect(health.locator(f"[data-part={part}]")).to_be_visible()
        await expect(health.locator("[data-part=unstamped]")).to_have_attribute("data-state", "ok")
        await expect(health.locator("[data-part=log]")).to_have_attribute("data-state", "ok")
        for details in await health.locator("summary").all():
            await details.click()
        await someone.check("evidence health")
        await english(someone)
        lines = await health.locator("[data-part] h3, [data-part] > p").all_inner_texts()
        assert not HAN.search(" ".join(lines)), lines
        await someone.check("evidence health in English")


async def test_reassigning_a_clue_takes_the_evidence_back(
    chromium: Browser, officer: Person, stack: Stack
) -> None:
    """Across services, by outbox: casework says it, evidence refuses and puts both people on record."""
    item = await captured(officer, stack)
    async with console_desk.person(chromium, stack.base_url) as receiver:
        await receiver.sign_in("zhanggong_officer", stack.passwords["zhanggong_officer"])

        async def step(person: Person, clue: Any, action: str, **more: Any) -> Any:
            path = f"/clues/{clue['id']}/transitions"
            answer = await ask(person, "POST", path, action=action, version=clue["version"], **more)
            assert answer["status"] == 200, answer
            return answer["body"]

        async def until(status: int) -> None:
            for _ in range(60):
                if (await ask(receiver, "GET", f"/evidence/{item}"))["status"] == status:
                    return
                await receiver.page.wait_for_timeout(250)
            raise AssertionError(f"it never became {status}")

        await until(404)
        made = await ask(officer, "POST", "/clues", title="移交测试", evidence_ids=[item])
        clue = await step(officer, made["body"], "assign", org_code="360702-SJ")
        await until(200)
        clue = await step(receiver, clue, "return", reason="不属本局管辖")
        await step(officer, clue, "assign", org_code="360403-SJ")
        await until(404)
    events = (await ask(officer, "GET", f"/evidence/{item}/custody"))["body"]["events"]
    told = {event["event"]: event for event in events if event["via"] == "casework"}
    assert set(told) == {"linked", "granted", "grant_withdrawn"}
    assert all(event["actor"]["org"] == "360121-SJ" and event["client_ip"] for event in told.values())
    assert {e["actor"]["org"] for e in events if e["event"] == "viewed"} == {"360121-SJ", "360702-SJ"}


async def test_a_person_without_the_right_gets_no_print_and_no_health(officer: Person, stack: Stack) -> None:
    item = await open_item(officer, stack)
    assert (await ask(officer, "GET", "/evidence-status"))["status"] == 403
    assert (await ask(officer, "POST", f"/evidence/{item}/custody/printed", reason=""))["status"] == 422
