"""Jurisdiction and periodic checks in the browser: offered, claimed, checked, weeded, restored."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from tests import console_desk
from tests.console_desk import Person
from tests.stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.browser]

PAGES = (
    "/claims",
    "/claims/board",
    "/claims/jobs",
    "/verifications",
    "/verifications/plans",
    "/verifications/weeded",
)
_SEND = """
async ([path, body]) => {
  const session = await (await fetch('/api/session')).json()
  const answer = await fetch('/api' + path, {method: 'POST', body: JSON.stringify(body),
    headers: {'Content-Type': 'application/json', 'X-CSRF-Token': session.csrf_token}})
  return [answer.status, await answer.json()]
}
"""


@pytest.fixture(scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async with console_desk.browser() as started:
        yield started


@pytest.fixture(scope="module")
async def people(chromium: Browser, stack: Stack) -> AsyncIterator[tuple[Person, Person]]:
    """The province's dispatcher and the county's officer, signed in."""
    names = ("province_dispatcher", "nanchang_officer")
    async with (
        console_desk.person(chromium, stack.base_url) as province,
        console_desk.person(chromium, stack.base_url, 1100) as county,
    ):
        for someone, name in zip((province, county), names, strict=True):
            await someone.sign_in(name, stack.passwords[name])
        yield province, county


async def send(someone: Person, path: str, **body: Any) -> Any:
    status, answer = await someone.page.evaluate(_SEND, [path, body])
    assert status < 300, answer
    return answer


async def shops(province: Person, *names: str) -> list[str]:
    """Shops the province entered, imported and in its own hands."""
    given = {"channel": "shop", "platform": "演示", "url": "https://shop.example.com/1"}
    return [(await send(province, "/presences", name=name, **given))["id"] for name in names]


async def choose(someone: Person, selector: str, text: str) -> None:
    """Choose an authority in a picker by typing."""
    await someone.page.fill(selector, text)
    await someone.page.keyboard.press("Enter")


async def test_offered_in_bulk_claimed_and_rejected(people: tuple[Person, Person]) -> None:
    province, county = people
    await shops(province, "批量推送甲", "批量推送乙", "批量推送丙")
    page = province.page
    await province.open("/claims?q=批量推送")
    await expect(page.locator("tbody tr")).to_have_count(3)
    for n in (0, 1):
        await page.locator("tbody input[type=checkbox]").nth(n).check()
    await page.click("[data-bulk=offer]")
    await page.locator("[name=as_matched]").uncheck()
    await page.click("[data-test=preview]")
    await expect(page.locator("#bulk-fault")).to_be_visible()
    await choose(province, "#bulk-org_code", "南昌县")
    await page.click("[data-test=preview]")
    await expect(page.locator("[data-test=previewed]")).to_contain_text("将办理 2 条")
    await province.check("preview of offers")
    await page.click("[data-test=go]")
    await expect(page.locator("[data-test=job]")).to_contain_text("改变 2 条")
    await page.click("[data-test=close]")
    await expect(page.locator("tbody .tag:has-text('待认领')")).to_have_count(2)
    await province.open("/claims/jobs")
    await expect(page.locator("tbody tr").first).to_contain_text("推送认领")
    await province.check("jobs")

    page = county.page
    await county.open("/claims?inbox=true&q=批量推送")
    await expect(page.locator("tbody tr")).to_have_count(2)
    await county.check("inbox")
    await page.keyboard.press("j")
    await page.keyboard.press("Enter")
    await expect(page.locator("[data-test=claim-state]")).to_contain_text("待认领")
    await county.tab_to("[data-action=claim]")
    await page.keyboard.press("Enter")
    await expect(page.locator("[data-test=act]")).to_be_visible()
    await county.tab_to("[data-test=act]")
    await page.keyboard.press("Enter")
    await expect(page.locator("[data-test=claim-state]")).to_contain_text("已认领")
    await expect(page.locator("[data-test=history] li")).to_have_count(2)
    await county.check("claimed")

    await county.open("/claims?inbox=true&q=批量推送")
    await page.click("[data-test=pick-all]")
    await page.click("[data-bulk=reject]")
    await page.select_option("#bulk-reason_code", "not_ours")
    await page.click("[data-test=preview]")
    await page.click("[data-test=go]")
    await expect(page.locator("[data-test=job]")).to_contain_text("改变 1 条")
    await page.click("[data-test=close]")
    await expect(page.locator("[data-test=empty]")).to_be_visible()


async def test_somebody_was_faster(people: tuple[Person, Person]) -> None:
    province, county = people
    (shop,) = await shops(province, "先后办理")
    await send(province, f"/claims/{shop}/transitions", action="offer", version=0, org_code="360121-SJ")
    await county.open(f"/claims/{shop}")
    await send(county, f"/claims/{shop}/transitions", action="claim", version=1)
    page = county.page
    await page.click("[data-action=reject]")
    await page.select_option("#action-reason_code", "dead_link")
    await page.click("[data-test=act]")
    await expect(page.locator("[data-test=problem]")).to_contain_text("已被他人更新")
    await expect(page.locator("[data-test=claim-state]")).to_contain_text("已认领")
    await county.check("somebody was faster")


async def test_checked_weeded_and_restored(people: tuple[Person, Person]) -> None:
    province, county = people
    (shop,) = await shops(province, "复核剔除店")
    await send(province, f"/claims/{shop}/transitions", action="offer", version=0, org_code="360121-SJ")
    await send(county, f"/claims/{shop}/transitions", action="claim", version=1)
    page = province.page
    await province.open("/verifications/plans")
    await page.click("[data-test=new-plan]")
    await page.fill("#plan-name", "网址日查")
    await page.fill("#plan-days", "1")
    await province.check("new plan")
    await page.click("[data-test=save-plan]")
    await expect(page.locator("[data-test=plans]")).to_contain_text("网址日查")

    page = county.page
    await county.open("/verifications?q=复核剔除店&state=due")
    for _ in range(40):
        if await page.locator("tbody tr").count():
            break
        await page.wait_for_timeout(150)
        await county.open("/verifications?q=复核剔除店&state=due")
    await county.check("checks that are due")
    await page.click("a.lead-link")
    await page.click("[data-action=fail]")
    await page.fill("#action-reason", "打不开")
    await page.click("[data-test=act]")
    await expect(page.locator("[data-test=check-state]")).to_contain_text("确有问题")
    await expect(page.locator("[data-test=presence-status]")).to_contain_text("失效")
    assert await page.locator("[data-action=weed]").count() == 0  # for who assigns, not for the county
    await county.check("check with its result")

    address = page.url.removeprefix(county.base)
    page = province.page
    await province.open(address)
    await page.click("[data-action=weed]")
    await page.select_option("#action-reason_code", "dead_link")
    await page.fill("#action-reason", "多次打不开")
    await page.click("[data-test=act]")
    await expect(page.locator("[data-test=presence-status]")).to_contain_text("已剔除")
    await province.open("/verifications/weeded")
    await expect(page.locator("tbody tr")).to_contain_text("网址失效")
    await page.click("tbody button:has-text('恢复')")
    await province.check("restoring")
    await page.fill("#restore-reason", "已恢复访问")
    await page.click(".el-dialog button[type=submit]")
    await expect(page.locator("[data-test=empty]")).to_be_visible()
    await province.open("/claims/board")
    await expect(page.locator("[data-test=board] tbody")).to_contain_text("南昌县")
    await province.check("board")


async def carry_out(someone: Person, changes: str) -> None:
    """Look at what a bulk order would do, then give it and wait for its end."""
    page = someone.page
    await page.click("[data-test=preview]")
    await expect(page.locator("[data-test=previewed]")).to_contain_text(changes)
    await page.click("[data-test=go]")
    await expect(page.locator("[data-test=job]")).to_contain_text("已完成")
    await page.click("[data-test=close]")


async def test_a_filter_is_weeded_and_all_weeded_are_restored(people: tuple[Person, Person]) -> None:
    province, _ = people
    page = province.page
    await shops(province, "成批剔除甲", "成批剔除乙", "成批留下丙")
    await province.open("/claims?q=成批剔除")
    await expect(page.locator("tbody tr")).to_have_count(2)
    await page.click("[data-bulk=weed]")
    await page.select_option("#bulk-reason_code", "dead_link")
    await page.click("[data-test=preview]")
    await expect(page.locator("#bulk-fault")).to_be_visible()  # nothing is weeded without its grounds
    await page.fill("#bulk-reason", "平台整顿后关闭")
    await province.check("weeding a filter")
    await carry_out(province, "将办理 2 条，共 2 条")
    await expect(page.locator("[data-test=empty]")).to_be_visible()

    await province.open("/verifications/weeded")
    await expect(page.locator("tbody tr")).to_have_count(2)
    await expect(page.locator("tbody")).to_contain_text("平台整顿后关闭")
    await page.click("[data-test=restore-all]")
    await page.fill("#bulk-reason", "平台说明误关")
    await carry_out(province, "将办理 2 条，共 2 条")
    await expect(page.locator("[data-test=empty]")).to_be_visible()
    await province.open("/claims?q=成批")
    await expect(page.locator("tbody tr")).to_have_count(3)


@pytest.mark.slow
async def test_pages_in_english_on_a_phone(
    chromium: Browser, stack: Stack, people: tuple[Person, Person]
) -> None:
    async with console_desk.person(chromium, stack.base_url, 375) as someone:
        await someone.page.goto(stack.base_url + "/sign-in")
        await someone.page.click("[data-test=language]")
        await someone.sign_in("nanchang_officer", stack.passwords["nanchang_officer"])
        for path in PAGES:
            await someone.open(path)
            await someone.check(f"{path} en 375")
