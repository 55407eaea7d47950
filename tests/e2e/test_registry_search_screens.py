"""Lists and the one search box in the browser: words, facets, saved searches, tags on many, export."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, Route, expect

from tests import console_desk
from tests.console_desk import Person
from tests.stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.browser]

PHONE, OTHER = "13712344321", "13798765678"
_POST = """async ([path, body]) => {
  const { csrf_token } = await (await fetch('/api/session')).json()
  const headers = { 'Content-Type': 'application/json', 'X-CSRF-Token': csrf_token }
  const answer = await fetch('/api' + path, { method: 'POST', headers, body: JSON.stringify(body) })
  return answer.status
}"""


@pytest.fixture(scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async with console_desk.browser() as started:
        yield started


@pytest.fixture
async def officer(chromium: Browser, stack: Stack) -> AsyncIterator[Person]:
    async with console_desk.person(chromium, stack.base_url) as someone:
        await someone.sign_in("nanchang_officer", stack.passwords["nanchang_officer"])
        yield someone


async def post(officer: Person, path: str, body: dict[str, Any]) -> None:
    assert await officer.page.evaluate(_POST, [path, body]) == 201


async def find_by_number(officer: Person) -> None:
    page = officer.page
    await officer.open("/find")
    await page.get_by_role("searchbox").fill(PHONE)
    await expect(page.locator("[data-test=found-presences]")).to_contain_text("列表测试一店")
    assert PHONE not in page.url and "列表测试二店" not in await page.content()
    await officer.check("find")
    await page.reload()
    await expect(page.locator("[data-test=found-presences]")).to_contain_text("列表测试一店")


async def narrow(officer: Person) -> None:
    page = officer.page
    await officer.open("/presences")
    await page.get_by_role("searchbox").fill("列表测试")
    await expect(page.locator("tbody tr")).to_have_count(2)
    await expect(page.locator("[data-test=counted]")).to_contain_text("共 2 条")
    await page.click("[data-facet='channel:app']")
    await expect(page.locator("tbody tr")).to_have_count(1)
    await expect(page.locator("[data-facet='channel:app']")).to_have_attribute("aria-pressed", "true")
    await officer.check("narrowed list")


async def keep(officer: Person) -> None:
    page = officer.page
    await page.click("[data-test=keep]")
    await page.fill("#search-name", "列表测试APP")
    await page.click("[data-test=keep-it]")
    await expect(page.locator("[data-test=saved-one]")).to_have_text("列表测试APP")
    await page.click("[data-test=clear]")
    await expect(page.locator("[data-test=clear]")).to_have_count(0)
    await page.click("[data-test=saved-one]")
    await expect(page.locator("tbody tr")).to_have_count(1)
    await expect(page.get_by_role("searchbox")).to_have_value("列表测试")


async def tag_many(officer: Person) -> None:
    page = officer.page
    await page.click("[data-facet='channel:app']")
    await expect(page.locator("tbody tr")).to_have_count(2)
    await page.click("[data-test=pick-page]")
    await page.select_option("#bulk-tag", label="重点关注")
    await page.click("[data-test=bulk-preview]")
    await expect(page.locator("[data-test=bulk-change]")).to_contain_text("将改动 2 条")
    await officer.check("preview of a tag on many")
    await page.click("[data-test=bulk-do]")
    await expect(page.get_by_text("已改动 2 条")).to_be_visible()

    # Nothing picked: all that are found, and what a preview told is of these alone.
    await page.select_option("#bulk-action", "take_off")
    await page.select_option("#bulk-tag", label="重点关注")
    await page.click("[data-test=bulk-preview]")
    await expect(page.locator("[data-test=bulk-change]")).to_contain_text("将改动 2 条")
    await page.click("[data-facet='channel:app']")
    await expect(page.locator("[data-test=bulk-change]")).to_have_count(0)
    await expect(page.locator("tbody tr")).to_have_count(1)
    await page.click("[data-test=bulk-preview]")
    await expect(page.locator("[data-test=bulk-change]")).to_contain_text("将改动 1 条")
    await officer.check("preview of a tag on all that are found")
    await page.click("[data-test=bulk-do]")
    await expect(page.get_by_text("已改动 1 条")).to_be_visible()
    await page.click("[data-facet='channel:app']")
    await expect(page.locator("tbody tr")).to_have_count(2)


async def tag_until_stopped(officer: Person) -> None:
    """A list that never ends: every step asks for the same, says how far it is, and can be the last."""
    page, asked = officer.page, list[dict[str, Any]]()

    async def step(route: Route) -> None:
        asked.append(route.request.post_data_json)
        await asyncio.sleep(0.05)
        await route.fulfill(json={"rows": 1000, "changed": 1000, "next_cursor": f"step{len(asked)}"})

    await page.select_option("#bulk-action", "put")
    await page.select_option("#bulk-tag", label="重点关注")
    await page.click("[data-test=bulk-preview]")
    await expect(page.locator("[data-test=bulk-change]")).to_be_visible()
    await page.route("**/api/searches/tag", step)
    await page.click("[data-test=bulk-do]")
    await expect(page.locator("[data-test=bulk-passed]")).to_contain_text("000 条")
    await expect(page.locator("#bulk-action")).to_be_disabled()
    await expect(page.locator("#bulk-tag")).to_be_disabled()
    await page.click("[data-test=bulk-stop]")
    await expect(page.locator("[data-test=bulk-stop]")).to_have_count(0)
    await page.unroute("**/api/searches/tag")
    cursors = [body["query"].pop("cursor", None) for body in asked]
    assert cursors == [None, *(f"step{n}" for n in range(1, len(asked)))]
    assert all(body == asked[0] for body in asked) and asked[0]["query"]["q"] == "列表测试"
    await expect(page.get_by_text(f"已改动 {len(asked)}000 条")).to_be_visible()


async def take_home(officer: Person) -> None:
    async with officer.page.expect_download() as coming:
        await officer.page.click("[data-test=export]")
    text = (await (await coming.value).path()).read_text(encoding="utf-8-sig")
    assert "列表测试一店" in text and PHONE not in text and "'=列表测试二店" in text


async def test_lists_find_narrow_keep_tag_and_export(officer: Person) -> None:
    shop = {"channel": "shop", "platform": "淘宝"}
    await post(officer, "/presences", {"name": "列表测试一店", "phone": PHONE, **shop})
    await post(officer, "/presences", {"name": "=列表测试二店", "phone": OTHER, "channel": "app"})
    await post(officer, "/tags", {"name": "重点关注", "tone": "warning"})
    await find_by_number(officer)
    await narrow(officer)
    await keep(officer)
    await tag_many(officer)
    await tag_until_stopped(officer)
    await take_home(officer)
    await officer.open("/subjects")
    await officer.check("subjects")
