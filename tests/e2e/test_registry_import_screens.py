"""The import wizard in a real browser: a list is uploaded, read, tried, taken in, and undone."""

from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.console_desk import browser, person
from tests.registry_lists import workbook
from tests.stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.browser]


async def test_a_list_from_the_file_to_undoing_it(stack: Stack, tmp_path: Path) -> None:
    file = tmp_path / "安义名录.xlsx"
    rows = [[f"W-{i}", f"向导茶行{i}", f"1380791{i:04d}", "江西省南昌市", "淘宝"] for i in range(12)]
    rows.append(["W-99", "", "13807910099", "", ""])
    file.write_bytes(workbook([["编号", "招牌", "联系电话", "地址", "所属平台"], *rows]))
    async with browser() as chromium, person(chromium, stack.base_url) as officer:
        page = officer.page
        await officer.sign_in("nanchang_officer", stack.passwords["nanchang_officer"])
        await officer.open("/subjects/import")
        await page.set_input_files("#import-file", file)
        await page.fill("#import-source", "向导测试")
        await officer.check("upload")
        await page.click("[data-test=upload]")
        await expect(page.locator("[data-test=fields]")).to_be_visible()
        await officer.settled()
        await expect(page.get_by_text("138****0000")).to_be_visible()
        await expect(page.get_by_text("13807910000")).to_have_count(0)
        await expect(page.locator("[data-test=check]")).to_be_disabled()
        await page.select_option("[data-test=field-1]", "name")
        await officer.check("fields")
        await page.click("[data-test=check]")
        await expect(page.locator("[data-test=plan]")).to_be_visible()
        await expect(page.locator("[data-test=plan] [data-test=created]")).to_have_text("12")
        await officer.check("dry run")
        await page.click("[data-test=start]")
        result = page.locator("[data-test=import-result]")
        await expect(result).to_contain_text("导入完成，部分行未导入")
        await expect(result.locator("[data-test=created]")).to_have_text("12")
        async with page.expect_download() as waiting:
            await page.click("[data-test=remarks-file]")
        await (await waiting.value).save_as(tmp_path / "remarks.csv")
        text = (tmp_path / "remarks.csv").read_text("utf-8-sig")
        assert "cell.missing" in text and "13807910099" not in text
        await officer.check("result")
        await page.click("[data-test=undo]")
        await expect(page.get_by_text("将删除 12 条新增的记录")).to_be_visible()
        await officer.check("undo")
        await page.click("[data-test=undo-confirm]")
        await expect(result).to_contain_text("已撤销")
        await officer.open("/imports")
        await expect(page.get_by_text("安义名录.xlsx")).to_be_visible()
        await officer.check("list")
