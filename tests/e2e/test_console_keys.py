"""The security administrator rotates and revokes signing keys at the console."""

import re

import pytest
from playwright.async_api import expect

from tests import console_desk
from tests.stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.browser]


async def test_keys_are_rotated_and_revoked_after_a_reason(stack: Stack) -> None:
    async with console_desk.browser() as chromium, console_desk.person(chromium, stack.base_url) as admin:
        await admin.sign_in("secadmin", stack.passwords["secadmin"])
        await admin.open("/keys")
        page, rows = admin.page, admin.page.locator("table.data tbody tr")
        before = await rows.count()
        current = page.locator("tr", has_text="固证服务").filter(has_text="使用中")
        old = await current.locator("code").first.inner_text()

        await page.click("[data-test=rotate]")
        dialog = page.get_by_role("dialog")
        submit = dialog.get_by_role("button", name="轮换固证密钥")
        await submit.click()
        await expect(dialog.get_by_role("alert")).to_be_visible()  # no deed without its reason
        assert await rows.count() == before
        await admin.check("rotate")
        await page.fill("#rotate-reason", "年度轮换")
        await submit.click()
        await expect(dialog).to_be_hidden()
        await expect(rows).to_have_count(before + 1)
        await expect(current.locator("code").first).not_to_have_text(old)
        ended = page.locator("tr", has_text=old)
        await expect(ended).to_contain_text("已停用")

        await ended.get_by_role("button", name=re.compile("吊销")).click()
        await page.fill("#revoke-reason", "旧密钥不再可信")
        await admin.check("revoke")
        await page.click("[data-test=revoke-now]")
        await expect(ended).to_contain_text("已吊销")
        assert await rows.count() == before + 1
        await admin.check("keys")
