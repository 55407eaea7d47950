"""Subject and shop page, forms, the look in full, tags and inspections, as an officer uses them."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, expect

from tests import console_desk
from tests.console_desk import Person
from tests.stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.browser]

PHONE, NEW_PHONE, NAME = "13870915678", "13970915678", "滕王阁茶行"


@pytest.fixture(scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async with console_desk.browser() as started:
        yield started


@pytest.fixture
async def officer(chromium: Browser, stack: Stack) -> AsyncIterator[Person]:
    async with console_desk.person(chromium, stack.base_url) as someone:
        await someone.sign_in("nanchang_officer", stack.passwords["nanchang_officer"])
        yield someone


async def enter_subject(officer: Person) -> None:
    page = officer.page
    await officer.open("/subjects/new")
    await page.click("[data-test=save]")
    await expect(page.locator("#record-name-fault")).to_be_visible()
    await expect(page.locator("#record-name")).to_be_focused()
    await page.fill("#record-name", NAME)
    await page.fill("#record-phone", PHONE)
    await page.fill("#record-legal_person", "欧阳慕容")
    await officer.check("new subject")
    await page.click("[data-test=save]")
    await expect(page.locator("h1")).to_have_text(NAME)
    await officer.settled()
    await expect(page.get_by_text("138****5678")).to_be_visible()
    assert PHONE not in await page.content()
    await officer.check("subject")


async def look_in_full(officer: Person) -> None:
    page = officer.page
    await page.click("[data-test=open-reveal]")
    await page.click("[data-test=reveal]")
    await expect(page.locator("#reveal-fault")).to_be_visible()
    await page.select_option("#reveal-purpose", "other")
    await page.click("[data-test=reveal]")
    await expect(page.locator("#reveal-note")).to_be_focused()
    await officer.check("reveal")
    await page.select_option("#reveal-purpose", "complaint")
    await page.click("[data-test=reveal]")
    await expect(page.locator("[data-test=revealed]")).to_contain_text(PHONE)
    await officer.check("revealed")
    await page.keyboard.press("Escape")
    await expect(page.locator("[data-test=revealed]")).to_have_count(0)
    assert PHONE not in await page.content()


async def edit(officer: Person) -> None:
    page = officer.page
    await page.get_by_role("button", name="修改").click()
    await officer.settled()
    assert await page.input_value("#record-phone") == ""
    await expect(page.locator("#record-phone")).to_have_attribute(
        "placeholder", "现为 138****5678，不填即不变"
    )
    await page.fill("#record-phone", NEW_PHONE)
    await page.fill("#record-scope", "茶叶销售")
    await officer.check("edit")
    await page.click("[data-test=save]")
    await officer.settled()
    changes = page.locator("[data-test=changes]")
    await expect(changes).to_contain_text("138****5678 → 139****5678")
    await expect(changes).to_contain_text("（空） → 茶叶销售")
    await page.locator("[data-test=origins] summary").click()
    origin = page.locator("[data-test=origins] tr[data-field=phone]")
    await expect(origin).to_contain_text("manual")
    await expect(origin.locator("time")).to_have_count(2)
    await officer.check("origins")


async def tag_and_permit(officer: Person, address: str) -> None:
    page = officer.page
    await officer.open("/tags")
    await page.fill("#tag-name", "重点监管")
    await page.select_option("#tag-tone", "danger")
    await page.locator("[data-test=tag-form] button[type=submit]").click()
    await expect(page.locator("table")).to_contain_text("重点监管")
    await officer.check("tags")
    await page.goto(address)
    await officer.settled()
    await page.select_option("#tag-put", label="重点监管")
    await page.click("[data-test=tag-put]")
    await expect(page.get_by_role("button", name="去掉标签 重点监管")).to_be_visible()
    permits = page.locator("[data-test=permits]")
    await permits.get_by_role("button", name="登记许可").click()
    await page.select_option("#permit-kind", "food_business")
    await page.fill("#permit-number", "JY13601210001234")
    await page.fill("#permit-valid_to", "2020-01-01")
    await permits.get_by_role("button", name="保存").click()
    await expect(permits).to_contain_text("已过有效期")
    await officer.check("tagged subject")


async def inspect(officer: Person) -> str:
    page = officer.page
    await page.get_by_role("button", name="新增网店或网站").click()
    await page.fill("#record-name", f"{NAME}旗舰店")
    await page.select_option("#record-channel", "shop_b")
    await page.fill("#record-url", "https://shop.example.cn/")
    await page.fill("#record-phone", PHONE)
    await officer.check("new shop")
    await page.click("[data-test=save]")
    await expect(page.locator("h1")).to_have_text(f"{NAME}旗舰店")
    await officer.settled()
    await expect(page.locator("[data-test=identifiers]")).to_contain_text("138****5678")
    assert PHONE not in await page.content()
    await page.select_option("#inspection-result", "not_shown")
    await page.click("[data-test=inspect]")
    await expect(page.locator("[data-test=inspections]")).to_contain_text("南昌县监管员")
    await officer.check("shop")
    shop = page.url
    await officer.open("/inspections?result=not_shown")
    await expect(page.locator("table")).to_contain_text(f"{NAME}旗舰店")
    await officer.check("inspections")
    return shop


async def narrow(officer: Person, subject: str, shop: str) -> None:
    page = officer.page
    await page.set_viewport_size({"width": 375, "height": 800})
    await page.click("[data-test=language]")
    for screen in (subject, shop, f"{shop}/edit"):
        await page.goto(screen)
        await officer.settled()
        await officer.check(f"{screen} 375 en")


async def test_a_subject_from_its_entry_to_its_inspection(officer: Person) -> None:
    await enter_subject(officer)
    address = officer.page.url
    await look_in_full(officer)
    await edit(officer)
    await tag_and_permit(officer, address)
    await narrow(officer, address, await inspect(officer))
    assert officer.faults == []
