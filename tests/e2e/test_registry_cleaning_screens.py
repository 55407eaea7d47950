"""Duplicates and platform reports at the console: merged after a look and taken back; received, checked."""

import json
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests import console_desk
from tests.console_desk import Person
from tests.stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.browser]

HEAD = "经营者名称,统一社会信用代码,实际经营地址,联系方式,网店名称,网址链接,平台内编号,免登记情形"
ROWS = (
    "莲塘茶行,91330106673959654P,南昌县莲塘镇澄湖路1号,13807911234,茶行小店,https://x.cn/1,1,",
    ",,,,无名小店,https://x.cn/2,2,",
)


async def _enter(person: Person, path: str, **values: str) -> str:
    """Enter a record the way the console does, with its session and its CSRF token."""
    answer = await person.page.evaluate(
        """async ([path, values]) => {
          const session = await (await fetch('/api/session')).json()
          const headers = {'Content-Type': 'application/json', 'X-CSRF-Token': session.csrf_token}
          const answer = await fetch('/api' + path, {method: 'POST', headers, body: JSON.stringify(values)})
          return [answer.status, await answer.json()]
        }""",
        [path, values],
    )
    assert answer[0] == 201, answer
    return str(answer[1]["id"])


async def test_a_pair_is_previewed_merged_taken_back_and_dismissed(stack: Stack) -> None:
    async with console_desk.browser() as chromium, console_desk.person(chromium, stack.base_url) as officer:
        await officer.sign_in("nanchang_officer", stack.passwords["nanchang_officer"])
        shop = {"channel": "shop", "platform": "查重测试平台", "native_id": "dup-1"}
        await _enter(officer, "/presences", name="重复的甲店", phone="13807910001", **shop)
        await _enter(
            officer, "/presences", name="重复的乙店", phone="13807910002", wechat="dupshop01", **shop
        )
        page = officer.page
        await officer.open("/duplicates")
        await page.click("[data-test=search]")
        await expect(page.locator("[data-test=told]")).to_be_visible()
        await officer.check("duplicates")
        await page.locator("tr", has_text="重复的甲店").get_by_role("link").first.click()
        await expect(page.locator("[data-field=phone]")).to_contain_text("138****0001、138****0002")
        await expect(page.locator("[data-field=wechat]")).to_contain_text("du")
        await officer.check("duplicate")
        name = page.locator("[data-field=name]")
        await name.locator("select").select_option("take")
        await expect(name.locator(".result")).to_have_text("重复的乙店")
        await page.click("[data-test=merge]")
        state = page.locator("[data-test=state]")
        await expect(state).to_contain_text("已合并")
        await officer.check("merged")
        await page.click("[data-test=unmerge]")
        await expect(state).to_contain_text("待处理")
        await expect(name.locator("td").first).to_have_text("重复的甲店")
        await page.click("[data-test=dismiss]")
        await expect(page.locator("#dismiss-fault")).to_be_visible()  # no decision without its reason
        await page.fill("#dismiss-note", "两个品牌")
        await page.click("[data-test=dismiss]")
        await expect(state).to_contain_text("不是同一个")
        await expect(state).to_contain_text("两个品牌")


async def test_a_report_is_received_checked_and_its_receipt_verified(stack: Stack, tmp_path: Path) -> None:
    table = tmp_path / "报送.csv"
    table.write_text("\r\n".join([HEAD, *ROWS]), encoding="gb18030")
    async with console_desk.browser() as chromium, console_desk.person(chromium, stack.base_url) as officer:
        await officer.sign_in("nanchang_officer", stack.passwords["nanchang_officer"])
        page = officer.page
        await officer.open("/platform-reports")
        await expect(page.locator("[data-test=due]")).to_be_visible()
        await officer.check("platform reports")
        for again in (False, True):
            await page.click("[data-test=receive]")
            dialog = page.get_by_role("dialog")
            await page.click("[data-test=send]")
            await expect(dialog.get_by_role("alert")).to_be_visible()
            await page.fill("#report-platform", "浏览器测试平台")
            await page.set_input_files("#report-file", table)
            if not again:
                await officer.check("receive")
            await page.click("[data-test=send]")
            await expect(page.locator("[data-test=remarks]")).to_contain_text("缺经营者名称")
            if again:
                await expect(page.locator("[data-test=again]")).to_be_visible()
            else:
                await officer.open("/platform-reports")
        await officer.check("platform report")
        await page.click("[data-test=check-receipt]")
        await expect(page.locator("[data-test=receipt-checked]")).to_contain_text("回执有效")
        async with page.expect_download() as saved:
            await page.get_by_role("button", name="下载回执").click()
        receipt = json.loads((await (await saved.value).path()).read_text(encoding="utf-8"))
        assert receipt["payloadType"].startswith("application/vnd.wangjian.platform-report-receipt")
        async with page.expect_download() as saved:
            await page.get_by_role("button", name="下载错误清单").click()
        errors = (await (await saved.value).path()).read_text(encoding="utf-8-sig")
        assert "missing.name" in errors and "无名小店" not in errors
