"""The main job as two officers do it in the browser: capture, evidence, clue, assignment, sign-for, case."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from tests import console_desk
from tests.console_desk import Person
from tests.stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.browser]

STEPS = (
    "order_logged", "clean_check", "load", "scroll", "shots", "collect", "hashing", "upload",
    "signed", "stamped", "logged", "custodian", "sealed",
)  # fmt: skip
SEALING_MS = 60_000


@pytest.fixture(scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async with console_desk.browser() as started:
        yield started


@pytest.fixture
async def officer(chromium: Browser, stack: Stack) -> AsyncIterator[Person]:
    async with console_desk.person(chromium, stack.base_url) as someone:
        yield someone


def item_url(stack: Stack) -> str:
    """Address of an item of the demo market, found as a visitor finds it."""
    home = httpx.get(stack.market_url + "/", timeout=10).text
    links = re.findall(r'href="(/[^"]*item[^"]*)"', home)
    assert links, "the market's home page links to no item"
    return stack.market_url + links[0]


async def capture(page: Page, url: str) -> str:
    """Order a capture from the form, watch its steps to the end; gives the evidence number."""
    await page.click(".side a[href='/captures']")
    await page.click("[data-test=new-capture]")
    # A share text, as phones paste it: the console takes the link out.
    await page.fill("#capture-url", f"这个店铺有问题 {url} 请看看")
    await page.fill("#capture-reason", "控制台测试")
    await page.click("button[type=submit]")
    await expect(page.locator("[data-test=steps] li")).to_have_count(len(STEPS))
    await expect(page.locator("[data-op=order_logged]")).to_have_attribute("data-state", "done")
    await expect(page.locator("[data-test=capture-end]")).to_be_visible(timeout=SEALING_MS)
    for op in STEPS:
        step = page.locator(f"[data-op={op}]")
        await expect(step).to_have_attribute("data-state", "done")
        assert await step.locator("time").get_attribute("datetime")
    number = await page.locator("[data-test=capture-end] .number").inner_text()
    assert re.fullmatch(r"WJ-360121-\d{4}-\d+", number)
    return number


async def look_at_evidence(officer: Person, number: str, target: Path) -> None:
    """Every tab of the evidence page shows what it promises; the package comes down for a reason."""
    page = officer.page
    await page.click("[data-test=to-evidence]")
    await expect(page.locator("[data-test=evidence-no]")).to_have_text(number)
    picture = page.locator("[data-test=picture]")
    await expect(picture).to_be_visible()
    assert await picture.evaluate("(image) => image.naturalHeight") > 800
    before = await picture.evaluate("(image) => image.clientWidth")
    await page.focus("[role=region] >> visible=true")
    await page.keyboard.press("+")
    await page.wait_for_function(
        "(b) => document.images[document.images.length - 1].clientWidth > b", arg=before
    )
    await expect(page.locator("[data-test=rail] .seal.there")).to_have_count(4)
    await officer.check("picture")

    await page.click("#tab-text")
    await expect(page.locator("[data-test=page-text]")).to_contain_text(re.compile(r"[一-鿿]"))
    await page.click("#tab-facts")
    for group in ("dns", "connections", "clock", "environment", "method"):
        await expect(page.locator(f"[data-facts={group}]")).to_be_visible()
    await expect(page.locator("[data-facts=connections]")).to_contain_text("127.0.0.1")
    await officer.check("facts")
    await page.click("#tab-files")
    files = page.locator("[data-test=artefacts] > li")
    await expect(files.first).to_be_visible()
    digests = await files.first.locator("code").all_inner_texts()
    assert len([text for text in digests if re.fullmatch(r"[0-9a-f]{64}", text)]) == 2
    await page.click("#tab-seals")
    await expect(page.locator("[data-seal=timestamps]")).to_be_visible()
    await page.click("#tab-custody")
    await expect(page.locator("[data-test=custody] li").first).to_be_visible()
    await page.click("#tab-verify")
    await expect(page.locator("[data-test=verdict]")).to_have_class(re.compile("VALID"), timeout=20_000)
    assert "INVALID" not in (await page.locator("[data-test=verdict]").get_attribute("class") or "")
    await officer.check("verification")

    await page.click("[data-test=download]")
    await page.click("[data-test=export-now]")
    await expect(page.locator("#export-reason-fault")).to_be_visible()
    await page.fill("#export-reason", "移送案件材料")
    async with page.expect_download() as waiting:
        await page.click("[data-test=export-now]")
    download = await waiting.value
    assert download.suggested_filename == f"{number}.wacz"
    await download.save_as(target)


async def make_clue(officer: Person) -> str:
    """Make a clue from the evidence and assign it to Zhanggong; gives its title."""
    page = officer.page
    await page.click("[data-test=make-clue]")
    await expect(page.locator("#clue-title")).not_to_have_value("")
    await page.fill("#clue-violation", "绝对化")
    await page.keyboard.press("Enter")
    await page.fill("#clue-note", "详情页使用绝对化用语。")
    await officer.check("new clue")
    await page.click("[data-test=save-clue]")
    await page.click("[data-action=assign]")
    await page.fill("#action-org_code", "360702-SJ")
    await expect(page.locator("[role=option]")).to_have_count(1)
    await officer.check("choosing the authority")
    await page.keyboard.press("Enter")
    await expect(page.locator("#action-org_code")).to_have_value("章贡区市场监督管理局")
    await page.click("[data-test=act]")
    await expect(page.locator("[data-test=clue-state]")).to_have_text(re.compile("待签收"))
    await officer.check("clue")
    return await page.locator("h1").inner_text()


async def test_from_a_page_on_the_web_to_evidence_in_a_case(
    officer: Person, stack: Stack, tmp_path: Path
) -> None:
    page = officer.page
    await officer.sign_in("nanchang_officer", stack.passwords["nanchang_officer"])
    await officer.settled()
    await officer.check("workbench")
    number = await capture(page, item_url(stack))
    await officer.check("steps")
    await look_at_evidence(officer, number, tmp_path / "package.wacz")
    assert (tmp_path / "package.wacz").read_bytes()[:2] == b"PK"
    title = await make_clue(officer)
    await officer.sign_out()

    await officer.sign_in("zhanggong_officer", stack.passwords["zhanggong_officer"])
    await page.click(f"[data-test=waiting] a:has-text('{title[:12]}')")
    await page.click("[data-action=sign]")
    await expect(page.locator("[data-test=clue-state]")).to_have_text(re.compile("已签收"))
    await page.click("[data-action=file]")
    await page.click("[data-test=act]")
    await page.click("[data-test=to-case]")
    await expect(page.locator("[data-test=case-state]")).to_be_visible()
    cards = page.locator("[data-test=evidence-cards]")
    await expect(cards).to_contain_text(number)
    await officer.check("case")

    # The evidence itself opens for the office that signed for the clue, though it lies in another city.
    await cards.locator("a").first.click()
    await expect(page.locator("[data-test=evidence-no]")).to_have_text(number)
    await expect(page.locator("[data-test=picture]")).to_be_visible()
    assert officer.faults == []
