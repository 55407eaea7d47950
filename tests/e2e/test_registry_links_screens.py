"""Links, hubs and findings in a real browser: by keyboard, without barriers, under the CSP."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from tests import console_desk
from tests.console_desk import Person
from tests.stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.browser]

_CALL = """
async ([path, body]) => {
  const session = await (await fetch('/api/session')).json()
  const headers = {'Content-Type': 'application/json', 'X-CSRF-Token': session.csrf_token}
  const answer = await fetch('/api' + path, {method: 'POST', headers, body: JSON.stringify(body)})
  return [answer.status, await answer.json()]
}
"""


async def post(page: Page, path: str, **body: Any) -> Any:
    """Send as the signed-in person does."""
    status, answer = await page.evaluate(_CALL, [path, body])
    assert status in (200, 201), answer
    return answer


async def enter(page: Page, name: str, **values: str) -> str:
    return str((await post(page, "/presences", name=name, channel="shop", **values))["id"])


@pytest.fixture(scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async with console_desk.browser() as started:
        yield started


@pytest.fixture
async def officer(chromium: Browser, stack: Stack) -> AsyncIterator[Person]:
    async with console_desk.person(chromium, stack.base_url) as someone:
        await someone.sign_in("nanchang_officer", stack.passwords["nanchang_officer"])
        yield someone


async def test_links_are_seen_explained_judged_and_a_hub_is_ruled(officer: Person) -> None:
    page = officer.page
    shops = [
        await enter(page, "滕王阁茶叶店", phone="13970781001", wechat="twg_cha88"),
        await enter(page, "滕王阁茶具店", phone="+86 139-7078-1001"),
        await enter(page, "赣江干货店", wechat="TWG_cha88"),
    ]
    await officer.open(f"/presences/{shops[0]}/links")
    linked = page.locator("[data-test=linked] tbody tr")
    await expect(linked).to_have_count(2)
    await expect(page.locator("[data-test=link-graph] canvas")).to_be_visible()
    await officer.check("links")

    # Why: by keyboard, masked, then in full with a purpose.
    await officer.tab_to("[data-test=explain]")
    await page.keyboard.press("Enter")
    why = page.locator("[data-test=explanation]")
    await expect(why).to_contain_text("****")
    await expect(why).not_to_contain_text("13970781001")
    await officer.check("explanation")
    await page.click("[data-test=reveal]")
    await page.click("[data-test=reveal-save]")
    await expect(why).to_contain_text(re.compile("13970781001|twg_cha88"))

    # A judgement against the link, and back.
    await page.click("[data-test=judge]")
    await page.check("input[name=verdict][value=different]")
    await page.click("[data-test=judge-now]")
    await expect(page.locator("#judge-reason-fault")).to_be_visible()
    await page.fill("#judge-reason", "两家经营者不同，已现场核实")
    await officer.check("judgement")
    await page.click("[data-test=judge-now]")
    await expect(linked).to_have_count(1)
    await expect(page.locator("[data-test=gone]")).to_contain_text("不同经营者")

    # The phone as a fact; ruled a hub by the county that holds all its shops.
    await page.locator("[data-test=values] a").first.click()
    await officer.settled()
    await expect(page.locator("[data-test=ruling]")).to_be_visible()
    await officer.check("a value")
    value = page.url
    await page.fill("#ruling-reason", "代办公司电话")
    await page.click("[data-ruling=hub]")
    await expect(page.locator("[data-ruling=withdrawn]")).to_be_visible()
    await officer.open("/hubs")
    await expect(page.locator("table.data tbody tr").first).to_be_visible()
    await officer.check("hubs")

    # Its shops in the list of shops, to go on with: a chip says why these, and unsets it.
    await page.goto(value)
    await page.click("[data-test=all-shops]")
    await officer.settled()
    chip = page.locator("button.chip", has_text="展示同一信息的网店")
    await expect(chip).to_be_visible()
    rows = page.locator("table.data tbody tr")
    await expect(rows).to_have_count(2)
    await officer.check("shops that show a value")
    await chip.click()
    await expect(chip).to_have_count(0)


async def test_why_together_the_cluster_and_contradictions(officer: Person) -> None:
    page = officer.page
    a = await enter(page, "百花洲甲", phone="13970782001")
    b = await enter(page, "百花洲乙", phone="13970782001", qq="560012345")
    c = await enter(page, "百花洲丙", qq="560012345")
    await officer.open(f"/presences/{a}/links")
    await page.click("[data-test=whole-cluster]")
    await expect(page.locator("[data-test=cluster] tbody tr")).to_have_count(2)
    await officer.check("cluster")
    for one, other, verdict in ((a, b, "same"), (b, c, "same"), (a, c, "different")):
        await post(page, "/judgements", shop_a=one, shop_b=other, verdict=verdict, reason="复核记录")
    await officer.open(f"/presences/{a}/links")
    await expect(page.locator("[data-test=conflicts]")).to_contain_text("百花洲甲 = 百花洲乙 = 百花洲丙")
    await page.locator("[data-test=explain]").first.click()
    await expect(page.locator("[data-test=path] li")).to_have_count(1)
    await officer.open("/findings")
    row = page.locator("table.data tbody tr", has_text="百花洲")
    await expect(row).to_contain_text("相互矛盾")
    await officer.check("findings")
    await row.locator("[data-test=settle]").click()
    await expect(row).to_contain_text("已处理")
