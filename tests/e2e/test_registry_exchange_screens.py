"""The exchange with another region in a real browser: offered, agreed, compared, asked for, ended."""

import base64
import json
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from services.common.identity import Claims
from services.common.settings import Settings
from services.registry.exchange import post
from services.registry.exchange.agreement import agree, new_private, public_of, value_hash
from services.registry.exchange.rules import Type
from services.registry.identifiers.kinds import Kind
from tests import console_desk
from tests.console_desk import Person
from tests.stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.browser]

PHONE, THEIR_SHOP = "13970785501", "their-shop-00001"
_ENTER = """
async (body) => {
  const session = await (await fetch('/api/session')).json()
  const headers = {'Content-Type': 'application/json', 'X-CSRF-Token': session.csrf_token}
  return (await fetch('/api/presences', {method: 'POST', headers, body: JSON.stringify(body)})).status
}
"""


class Peer:
    """The other region, as the messages it would send: keys of its own, no platform of its own."""

    def __init__(self, home: Path) -> None:
        self.settings = Settings(home=home)
        self.claims = Claims("u-peer", "沈璐", "330000-SJ", "浙江省市场监督管理局", "330000")
        self.private = new_private()

    @property
    def fingerprint(self) -> str:
        """What its officer reads out over the telephone."""
        return post.region_key(self.settings).keyid

    def message(self, folder: Path, exchange: str, type_: Type, body: Mapping[str, Any]) -> Path:
        """A signed message as a file."""
        envelope, _ = post.seal(self.settings, self.claims, type_, exchange, body)
        path = folder / f"{type_}.json"
        path.write_text(json.dumps(envelope))
        return path


@pytest.fixture(scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async with console_desk.browser() as started:
        yield started


@pytest.fixture
async def dispatcher(chromium: Browser, stack: Stack) -> AsyncIterator[Person]:
    async with console_desk.person(chromium, stack.base_url, 375) as someone:
        await someone.sign_in("province_dispatcher", stack.passwords["province_dispatcher"])
        yield someone


async def saved(page: Page, path: Path, act: Callable[[], Any]) -> dict[str, Any]:
    """What is in the file an act saves."""
    async with page.expect_download() as saving:
        await act()
    await (await saving.value).save_as(path)
    return envelope(path)


def envelope(path: Path) -> dict[str, Any]:
    """The envelope in a file."""
    return dict(json.loads(path.read_text()))


async def take(someone: Person, message: Path, receipt: Path, said: str) -> None:
    """Take a message in; its receipt is saved."""
    page = someone.page
    await saved(page, receipt, lambda: page.set_input_files("#take-file", message))
    await expect(page.locator("[data-test=said]")).to_contain_text(said)


async def test_offered_agreed_compared_and_asked_for(dispatcher: Person, tmp_path: Path) -> None:
    page, peer = dispatcher.page, Peer(tmp_path)
    shop = {"name": "跨区比对茶庄", "channel": "shop", "phone": PHONE}
    assert await page.evaluate(_ENTER, shop) == 201
    await dispatcher.open("/link-exchange")
    await page.click("[data-test=new-offer]")
    await page.fill("#exchange-peer", "浙江省市场监督管理局")
    await page.fill("#exchange-purpose", "跨省串货线索比对")
    offer = await saved(page, tmp_path / "offer.json", lambda: page.click("[data-test=exchange-save]"))
    await dispatcher.settled()
    await expect(page.locator("h1")).to_contain_text("浙江省市场监督管理局")

    given = json.loads(base64.b64decode(offer["payload"]))
    exchange = str(given["exchange_id"])
    digest = post.unseal(offer, None).digest
    body = {"public": public_of(peer.private), "offer": digest, "purpose": "同意比对"}
    acceptance = peer.message(tmp_path, exchange, Type.ACCEPTANCE, body)
    await page.fill("#take-print", peer.fingerprint)
    await take(dispatcher, acceptance, tmp_path / "receipt-1.json", "已接收")

    secrets = agree(peer.private, given["body"]["public"], exchange)
    rows = [[int(Kind.PHONE), value_hash(secrets, Kind.PHONE, PHONE), THEIR_SHOP]]
    rows += [
        [int(Kind.QQ), value_hash(secrets, Kind.QQ, f"88{n:06d}"), f"other-shop-{n:05d}"] for n in range(9)
    ]
    hashes = peer.message(tmp_path, exchange, Type.HASHES, {"after": 0, "last": True, "rows": rows})
    await take(dispatcher, hashes, tmp_path / "receipt-2.json", "已接收加密比对值")
    await expect(page.locator("[data-comparison=done]")).to_contain_text("已比对")
    match = page.locator("[data-test=matches] tbody tr")
    await expect(match).to_have_count(1)
    await expect(match).to_contain_text("跨区比对茶庄")
    await expect(match).to_contain_text(THEIR_SHOP)
    await dispatcher.check("compared")

    await match.locator("input").check()
    await page.fill("#ask-purpose", "串货案调查")
    request = await saved(page, tmp_path / "request.json", lambda: page.click("[data-test=ask]"))
    asked = json.loads(base64.b64decode(request["payload"]))["body"]
    assert (asked["purpose"], asked["rows"]) == ("串货案调查", [[int(Kind.PHONE), THEIR_SHOP]])
    assert PHONE not in str(asked)

    await page.set_input_files("#take-file", tmp_path / "offer.json")  # our own offer is no message for us
    await expect(page.locator("[data-test=problem]")).to_be_visible()
    await page.click("[data-test=close]")
    await expect(page.locator("[data-test=said]")).to_contain_text("密钥已销毁")


async def test_who_may_not_exchange_does_not_see_it(chromium: Browser, stack: Stack) -> None:
    async with console_desk.person(chromium, stack.base_url) as officer:
        await officer.sign_in("nanchang_officer", stack.passwords["nanchang_officer"])
        await officer.open("/hubs")
        await expect(officer.page.locator("a[href='/link-exchange']")).to_have_count(0)
        await officer.open("/link-exchange")
        await expect(officer.page.locator("h1")).to_contain_text("没有权限")
