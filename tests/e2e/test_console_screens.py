"""Every screen of the console for every role: two languages and widths, by keyboard, and when things fail."""

import json
import re
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Route, expect

from tests import console_desk
from tests.console_desk import CHOSEN, CONSOLE, Person
from tests.stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.browser]

SCREENS = {
    "nanchang_officer": (
        "/", "/captures", "/captures/new", "/evidence", "/clues", "/clues/new", "/cases", "/subjects",
        "/presences", "/subjects/new", "/presences/new", "/subjects/import", "/tags", "/inspections",
        "/system", "/nowhere",
    ),
    "sysadmin": ("/", "/users", "/system"),
    "secadmin": ("/users", "/keys"),
    "auditor": ("/audit",),
}  # fmt: skip
HAN = re.compile(r"[㐀-鿿]")
# Each role's screens, in a language, at a width in CSS pixels.
WAYS = [
    ("nanchang_officer", "zh-CN", 1280),
    ("nanchang_officer", "en", 375),
    ("sysadmin", "en", 375),
    ("secadmin", "zh-CN", 1280),
    ("auditor", "zh-CN", 1280),
]


@pytest.fixture(scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async with console_desk.browser() as started:
        yield started


@pytest.fixture
async def officer(chromium: Browser, stack: Stack) -> AsyncIterator[Person]:
    async with console_desk.person(chromium, stack.base_url) as someone:
        await someone.sign_in("nanchang_officer", stack.passwords["nanchang_officer"])
        yield someone


@pytest.mark.parametrize(("username", "language", "width"), WAYS)
async def test_screens_have_no_barrier_and_break_no_policy(
    chromium: Browser, stack: Stack, username: str, language: str, width: int
) -> None:
    async with console_desk.person(chromium, stack.base_url, width) as someone:
        page = someone.page
        await page.goto(stack.base_url + "/sign-in")
        if language == "en":
            await page.click("[data-test=language]")
        await someone.check("sign in")
        await someone.sign_in(username, stack.passwords[username])
        for path in SCREENS[username]:
            await someone.open(path)
            assert await page.evaluate("document.documentElement.lang") == language
            await someone.check(f"{username} {path} {language} {width}")
            if language == "en":
                # The console's own words; what people and the platform wrote is data and stays as it is.
                words = await page.locator(".page-head .actions, nav, label, th").all_inner_texts()
                assert not HAN.search(" ".join(words)), path


async def test_an_order_by_keyboard_alone(officer: Person) -> None:
    page = officer.page
    await officer.settled()
    await officer.tab_to("a[href='/captures']")
    await page.keyboard.press("Enter")
    await officer.settled()
    await officer.tab_to("[data-test=new-capture]")
    await page.keyboard.press("Enter")
    await expect(page.locator("#capture-url")).to_be_focused()
    await page.keyboard.type("file:///etc/passwd")
    await page.keyboard.press("Enter")
    await expect(page.locator("#capture-url-fault")).to_contain_text("http")
    await expect(page.locator("#capture-url")).to_be_focused()
    await expect(page.locator("#capture-url")).to_have_attribute("aria-invalid", "true")
    await officer.check("refused address")
    await page.keyboard.press("Control+A")
    await page.keyboard.type("http://192.0.2.1/unreachable")
    await officer.tab_to("#capture-reason")
    await page.keyboard.type("键盘测试")
    await officer.tab_to("button[type=submit]")
    await page.keyboard.press("Enter")
    # Either an order with steps, or the platform's refusal in words: never a dead end.
    await expect(page.locator("[data-test=steps], [data-test=problem]").first).to_be_visible()
    assert officer.faults == []


async def test_an_expired_session_keeps_the_form(officer: Person, stack: Stack) -> None:
    page = officer.page
    await officer.open("/subjects/new")
    await page.fill("#record-name", "过期测试商行")
    await page.fill("#record-address", "江西省南昌市南昌县莲塘镇")
    await page.context.clear_cookies()
    await page.click("button[type=submit]")
    again = page.locator("[data-test=sign-in-again]")
    await expect(again).to_be_visible()
    await officer.check("sign in again")
    await expect(again.locator("[name=username]")).to_have_value("nanchang_officer")
    await again.locator("[name=password]").fill(CHOSEN)
    await page.keyboard.press("Enter")
    # The request that was refused goes through with what had been typed.
    await expect(page.locator("h1")).to_have_text("过期测试商行")
    await expect(page.locator("dl.facts").last).to_contain_text("江西省南昌市******")


async def test_a_first_time_person_must_choose_a_password(chromium: Browser, stack: Stack) -> None:
    async with console_desk.person(chromium, stack.base_url) as someone:
        page = someone.page
        username = "province_dispatcher"
        await page.goto(stack.base_url + "/clues")
        await page.fill("[name=username]", username)
        await page.fill("[name=password]", stack.passwords[username])
        await page.keyboard.press("Enter")
        await expect(page.locator("[name=next]")).to_be_visible()
        await page.goto(stack.base_url + "/captures")  # no way around it
        await expect(page.locator("[name=next]")).to_be_visible()
        await page.fill("[name=current]", stack.passwords[username])
        await page.fill("[name=next]", "short")
        await page.fill("[name=again]", "other")
        await page.keyboard.press("Enter")
        await expect(page.locator("#pw-next-fault")).to_be_visible()
        await someone.check("change the password")
        await page.fill("[name=next]", CHOSEN)
        await page.fill("[name=again]", CHOSEN)
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(stack.base_url + "/captures")


async def test_what_is_not_there_or_not_allowed_says_so(officer: Person) -> None:
    page = officer.page
    await officer.open("/evidence/01ARZ3NDEKTSV4RRFFQ69G5FAV")
    problem = page.locator("[data-test=problem]")
    await expect(problem).to_be_visible()
    request_id = await problem.locator("code").inner_text()
    assert len(request_id) >= 8
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await problem.locator("button.copy").click()
    assert await page.evaluate("navigator.clipboard.readText()") == request_id
    await officer.check("problem")
    await page.click("[data-test=language]")
    assert not HAN.search(await problem.inner_text())
    await page.click("[data-test=language]")

    await officer.open("/audit")
    await expect(page.locator("h1")).to_have_text("没有权限打开此页")
    await officer.open("/subjects?q=没有这样的主体")
    await expect(page.locator("[data-test=empty]")).to_be_visible()
    await page.click("[data-test=empty] button")
    await expect(page.locator("table.data")).to_be_visible()
    await expect(page.locator("input[type=search]")).to_have_value("")


async def test_a_broken_line_is_told_and_mended(officer: Person) -> None:
    page = officer.page

    async def cut(route: Route) -> None:
        await route.abort()

    await page.route("**/api/cases*", cut)
    await page.goto(officer.base + "/cases")
    await expect(page.locator("[data-test=problem]")).to_contain_text("连接不上平台")
    await page.unroute("**/api/cases*")
    await page.click("[data-test=problem] button:has-text('重试')")
    await expect(page.locator("[data-test=problem]")).to_have_count(0)
    await officer.settled()


async def test_watching_itself_bites(officer: Person) -> None:
    """Negative control: the checks these tests rest on do see a violation, a barrier and a missing text."""
    page = officer.page
    await officer.settled()
    await page.evaluate(
        "() => { const style = document.createElement('style'); style.textContent = 'h1 { color: #eee }';"
        " document.head.append(style);"
        " document.querySelector('main').insertAdjacentHTML('beforeend', '<input>') }"
    )
    await page.wait_for_timeout(200)
    assert any("CSP style-src" in fault for fault in officer.faults)
    assert any("label" in barrier for barrier in await officer.barriers())


async def test_the_platform_still_offers_what_the_console_was_built_for(officer: Person) -> None:
    """Every operation and property in the console's snapshot exists in the running platform; more is fine."""
    live = await officer.page.evaluate("async () => (await fetch('/api/openapi.json')).json()")
    snapshot = json.loads((CONSOLE / "openapi.json").read_text(encoding="utf-8"))
    missing = [
        f"{method} {path}"
        for path, operations in snapshot["paths"].items()
        for method in operations
        if method not in live["paths"].get(path, {})
    ]
    for name, shape in snapshot["components"]["schemas"].items():
        offered = live["components"]["schemas"].get(name, {}).get("properties", {})
        missing += [f"{name}.{key}" for key in shape.get("properties", {}) if key not in offered]
    assert missing == []
