"""`make tour`: take the pictures of the README from a platform started for it and thrown away."""

import argparse
import asyncio
import csv
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from playwright.async_api import Page, expect

from infra.demo_market.catalogue import featured_url
from tests import console_desk
from tests.console_desk import Person
from tests.stack import Stack, free_port_pair, start, stop

PICTURES = Path(__file__).parent / "pictures"


class Tour:
    """The five minutes of the README, with a picture at each stop."""

    def __init__(self, person: Person, stack: Stack, folder: Path) -> None:
        self._person, self._stack, self._folder = person, stack, folder

    @property
    def _page(self) -> Page:
        return self._person.page

    async def _picture(self, name: str) -> None:
        await self._person.settled()
        await self._page.mouse.move(0, 0)
        await self._page.wait_for_timeout(400)  # transitions end
        await self._page.screenshot(path=self._folder / f"{name}.png")
        print(f"{name}.png")

    async def capture(self) -> None:
        """Sign in, order a capture, watch it, look at the evidence."""
        page = self._page
        await page.goto(self._stack.base_url + "/sign-in")
        await self._picture("01-sign-in")
        await self._person.sign_in("nanchang_officer", self._stack.passwords["nanchang_officer"])
        await self._picture("02-workbench")
        await page.click(".side a[href='/captures']")
        await page.click("[data-test=new-capture]")
        await page.fill("#capture-url", featured_url(self._stack.market_url))
        await page.fill("#capture-reason", "日常巡查")
        await page.click("button[type=submit]")
        await expect(page.locator("[data-test=capture-end]")).to_be_visible(timeout=90_000)
        await self._picture("03-capture-steps")
        await page.click("[data-test=to-evidence]")
        await expect(page.locator("[data-test=picture]")).to_be_visible()
        await page.wait_for_function("document.querySelector('[data-test=picture]').naturalHeight > 0")
        await self._picture("04-evidence")
        await page.click("#tab-seals")
        await expect(page.locator("[data-seal=timestamps]")).to_be_visible()
        await self._picture("05-seals")
        await page.click("#tab-verify")
        await expect(page.locator("[data-test=verdict]")).to_be_visible(timeout=20_000)
        await self._picture("08-verification")

    async def act(self) -> None:
        """Make a clue, assign it; the other officer signs for it and opens a case."""
        page = self._page
        await page.click("[data-test=make-clue]")
        await page.fill("#clue-violation", "绝对化")
        await page.keyboard.press("Enter")
        await page.fill("#clue-note", "商品标题下方使用“全网第一”等绝对化用语。")
        await page.click("[data-test=save-clue]")
        await page.click("[data-action=assign]")
        await page.fill("#action-org_code", "360702-SJ")
        await expect(page.locator("[role=option]")).to_have_count(1)
        await page.keyboard.press("Enter")
        await page.click("[data-test=act]")
        await expect(page.locator("[data-test=clue-state]")).to_contain_text("待签收")
        await self._picture("06-clue")
        await self._person.sign_out()
        await self._person.sign_in("zhanggong_officer", self._stack.passwords["zhanggong_officer"])
        await page.click("[data-test=waiting] a >> nth=-1")
        await page.click("[data-action=sign]")
        await expect(page.locator("[data-test=clue-state]")).to_contain_text("已签收")
        await page.click("[data-action=file]")
        await page.click("[data-test=act]")
        await page.click("[data-test=to-case]")
        await expect(page.locator("[data-test=case-state]")).to_be_visible()
        await self._picture("07-case")

    async def registry(self, shop: str) -> None:
        """Of the list that was imported: what is in it, what came of it, why shops are one operator's."""
        page = self._page
        await self._person.sign_out()
        await self._person.sign_in("province_dispatcher", self._stack.passwords["province_dispatcher"])
        await self._person.open("/presences")
        await expect(page.locator("[data-facet]").first).to_be_visible()
        await self._picture("09-shops")
        await self._person.open("/imports")
        await page.click("text=shops.csv")
        await expect(page.locator("h1")).to_contain_text("shops.csv")
        await self._picture("10-import")
        await self._person.open(f"/presences?q={shop}")
        await page.click("table a >> nth=0")
        await page.wait_for_url("**/presences/0*")
        await self._person.open(page.url.removeprefix(self._stack.base_url) + "/links")
        await expect(page.locator("canvas").first).to_be_visible()
        await page.locator("canvas").first.scroll_into_view_if_needed()
        await page.wait_for_timeout(1_500)  # the graph comes to rest
        await self._picture("11-links")


def known_shops(stack: Stack, folder: Path) -> str:
    """Import a list with hidden operators and link it; gives a shop with several kinds of links."""
    shops, links = folder / "shops.csv", folder / "links.csv"
    generator = [sys.executable, "-m", "infra.shop_generator", "--shops", "20000", "--seed", "7"]
    subprocess.run([*generator, "--out", str(shops)], check=True, stdout=subprocess.DEVNULL)
    for command in (
        ("import", str(shops), "--source", "全省名录"),
        ("link", "--rebuild", "--export", str(links)),
    ):
        stack.command("registry", *command).check_returncode()
    kinds: dict[str, list[str]] = defaultdict(list)
    with links.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            for shop in (row["shop_a"], row["shop_b"]):
                kinds[shop].append(row["reasons"])
    few = [shop for shop, found in kinds.items() if 6 <= len(found) <= 9]
    return max(few, key=lambda shop: (len(";".join(kinds[shop]).split(";")), shop))


async def take(stack: Stack, folder: Path, shop: str) -> None:
    """All pictures, in Chinese, at 1280 x 800; shop: whose links are shown."""
    async with (
        console_desk.browser() as chromium,
        console_desk.person(chromium, stack.base_url) as someone,
    ):
        tour = Tour(someone, stack, folder)
        await tour.capture()
        await tour.act()
        await tour.registry(shop)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m docs.tour")
    parser.add_argument("--to", type=Path, default=PICTURES, help="folder of the pictures")
    given = parser.parse_args()
    given.to.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="wj-tour-"))
    stack = start(home, free_port_pair())
    try:
        shop = known_shops(stack, home)
        asyncio.run(take(stack, given.to, shop))
    finally:
        stop(stack)
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
