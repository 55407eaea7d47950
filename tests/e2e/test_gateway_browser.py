"""The door in a real Chromium: the `__Host-` cookie on loopback, the CSP, a neighbour's forged request.

Chromium takes a `Secure` `__Host-` cookie from http://127.0.0.1, because loopback is a potentially
trustworthy origin (W3C Secure Contexts §3.1); the first test here is what the decision in docs/adr rests on.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright
from prometheus_client import REGISTRY

from gateway.routing import checks
from gateway.sessions.rules import COOKIE
from services.common.settings import Settings
from tests.gateway_house import PASSWORD, House, free_port, open_house, serve

pytestmark = pytest.mark.browser

PAGE = """<!doctype html><html lang="zh-CN"><head><meta charset="utf-8"><title>door</title>
<script src="/assets/app-0123abcd.js"></script></head><body><p>门</p></body></html>"""
SCRIPT = """
window.signIn = async (username, password) => {
  const answer = await fetch('/api/session', {method: 'POST', headers: {'content-type': 'application/json'},
    body: JSON.stringify({username, password})});
  return {status: answer.status, body: await answer.json()};
};
window.ask = async (method, path, token) => {
  const headers = token ? {'x-csrf-token': token} : {};
  return (await fetch(path, {method, headers})).status;
};
window.injected = false;
window.inject = () => {
  const script = document.createElement('script');
  script.textContent = 'window.injected = true';
  document.body.append(script);
  return window.injected;
};
"""


@pytest.fixture(scope="module")
async def house(
    make_settings: Callable[..., Settings], redis: object, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[House]:
    dist: Path = tmp_path_factory.mktemp("dist")
    (dist / "assets").mkdir()
    (dist / "index.html").write_text(PAGE, encoding="utf-8")
    (dist / "assets" / "app-0123abcd.js").write_text(SCRIPT, encoding="utf-8")
    async with open_house(make_settings("gateway"), console_dir=dist) as opened:
        yield opened


@pytest.fixture(scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        path = os.environ.get("WANGJIAN_CHROMIUM", "/usr/bin/chromium")
        # Only our own pages are opened here; as root Chromium's sandbox cannot start.
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = await playwright.chromium.launch(executable_path=path, args=options)
        yield browser
        await browser.close()


@pytest.fixture
async def page(chromium: Browser, house: House) -> AsyncIterator[Page]:
    context = await chromium.new_context()
    page = await context.new_page()
    await page.goto(house.base + "/captures/42")  # any screen's path is the page
    yield page
    await context.close()


async def test_chromium_takes_and_returns_the_host_cookie_on_loopback(house: House, page: Page) -> None:
    answer: Any = await page.evaluate(f"signIn('nanchang_officer', '{PASSWORD}')")
    assert answer["status"] == 200
    cookies = await page.context.cookies()
    assert [cookie["name"] for cookie in cookies] == [COOKIE]
    cookie = cookies[0]
    assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (True, True, "Strict")
    assert cookie["expires"] == -1 and cookie["path"] == "/"
    assert await page.evaluate("document.cookie") == ""  # scripts do not see it
    assert await page.evaluate("ask('GET', '/api/session')") == 200
    token = answer["body"]["csrf_token"]
    assert await page.evaluate("ask('POST', '/api/captures')") == 403
    assert await page.evaluate(f"ask('POST', '/api/captures', '{token}')") == 200
    assert await page.evaluate(f"ask('DELETE', '/api/session', '{token}')") == 204
    assert await page.context.cookies() == []
    assert await page.evaluate("ask('GET', '/api/session')") == 401


async def test_an_injected_script_does_not_run_and_is_reported(house: House, page: Page) -> None:
    counted = REGISTRY.get_sample_value
    name, labels = "gateway_csp_reports_total", {"directive": "script-src-elem"}
    before = counted(name, labels) or 0
    assert await page.evaluate("inject()") is False
    until = time.monotonic() + 10
    while (counted(name, labels) or 0) == before:  # Chromium sends reports outside the page
        assert time.monotonic() < until, "no report came"
        await asyncio.sleep(0.05)


class Evil:
    """A neighbour's page: same host, other port, so the browser calls it same-site and sends the cookie."""

    def __init__(self, target: str) -> None:
        self.page = f"""<!doctype html><form method="post" enctype="text/plain"
        action="{target}/api/captures">
        <input name="x" value="1"></form>"""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            headers = [(b"content-type", b"text/html")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": self.page.encode(), "more_body": False})


async def attack(house: House, page: Page) -> int:
    """Sign in, let the neighbour's page send its form; gives how many requests reached the service."""
    await page.evaluate(f"signIn('zhanggong_officer', '{PASSWORD}')")
    before, port = len(house.recorder.seen), free_port()
    async with serve(Evil(house.base), port=port):
        await page.goto(f"http://127.0.0.1:{port}/")
        async with page.expect_navigation():
            await page.evaluate("document.forms[0].submit()")
        await asyncio.sleep(0.1)
    return len(house.recorder.seen) - before


async def test_a_neighbours_form_reaches_nothing(house: House, page: Page) -> None:
    assert await attack(house, page) == 0


async def test_control_without_the_checks_it_would(
    house: House, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "refuse_cross_site", lambda ask: None)
    monkeypatch.setattr(checks, "refuse_forged", lambda ask, secret: None)
    assert await attack(house, page) == 1


async def test_assets_are_kept_and_the_page_is_not(house: House) -> None:
    asset = await house.http.get("/assets/app-0123abcd.js")
    assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
    page = await house.http.get("/evidence/1", headers={"accept": "text/html"})
    assert page.headers["cache-control"] == "no-cache" and "door" in page.text
    again = await house.http.get("/", headers={"if-none-match": page.headers["etag"]})
    assert again.status_code in {200, 304}
    for missing in ("/assets/none.js", "/..%2f..%2fetc/passwd", "/assets/%2e%2e/%2e%2e/pyproject.toml"):
        assert (await house.http.get(missing)).status_code in {400, 404}
    assert (await house.http.post("/", json={})).status_code == 405


async def test_without_a_build_the_page_says_how(
    make_settings: Callable[..., Settings], redis: object, tmp_path: Path
) -> None:
    async with open_house(make_settings("gateway"), staff=False, console_dir=tmp_path) as house:
        answer = await house.http.get("/")
        assert answer.status_code == 503 and "make" in answer.text and "尚未构建" in answer.text
