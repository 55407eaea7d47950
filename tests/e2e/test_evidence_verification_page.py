"""The public 核验 page in a real Chromium: it verifies, uploads nothing, works offline."""

import hashlib
import json
import os
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, FilePayload, Page, Request, async_playwright, expect

from services.common.settings import Settings
from tests.evidence_mutants import House as Deployment
from tests.evidence_samples import NUMBER, sample_artefacts
from tests.gateway_house import House, open_house

pytestmark = pytest.mark.browser
WEB = Path(__file__).parents[2] / "web"
AXE = WEB / "verify" / "node_modules" / "axe-core" / "axe.min.js"
WACZ = "application/wacz+zip"
# The page keeps itself: at most this long to fetch its few files.
READY_MS = 20_000
VERDICT_MS = 30_000


@pytest.fixture(scope="module")
def deployment() -> Deployment:
    return Deployment(("ed25519", "sm2-sm3"), 1)


@pytest.fixture(scope="module")
async def house(
    make_settings: Callable[..., Settings], redis: object, deployment: Deployment
) -> AsyncIterator[House]:
    async with open_house(make_settings("gateway")) as opened:
        opened.recorder.trust = json.dumps(deployment.trust).encode()
        yield opened


@pytest.fixture(scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        path = os.environ.get("WANGJIAN_CHROMIUM", "/usr/bin/chromium")
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = await playwright.chromium.launch(executable_path=path, args=options)
        yield browser
        await browser.close()


@dataclass
class Visitor:
    """Somebody nobody knows, with a note of every request and complaint of the browser."""

    context: BrowserContext
    page: Page
    base: str
    requests: list[Request] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    async def open(self, address: str = "/verify/") -> None:
        """Open the page and wait until it has kept itself."""
        await self.page.goto(self.base + address)
        await expect(self.page.locator("#offline[data-ready]")).to_be_attached(timeout=READY_MS)

    async def give(self, *files: FilePayload) -> Page:
        """Choose files and wait for the report."""
        await self.page.set_input_files("#package-file", list(files))
        await expect(self.page.locator("#verdict")).to_be_visible(timeout=VERDICT_MS)
        return self.page

    async def verdict(self) -> str | None:
        """The verdict on the page."""
        return await self.page.locator(".banner").get_attribute("data-verdict")

    async def tone(self) -> str:
        """ok, warn or bad."""
        return ((await self.page.locator(".banner").get_attribute("class")) or "").replace("banner ", "")


@pytest.fixture
async def visitor(chromium: Browser, house: House) -> AsyncIterator[Visitor]:
    context = await chromium.new_context()
    page = await context.new_page()
    visitor = Visitor(context, page, house.base)

    def note(request: Request) -> None:
        visitor.requests.append(request)

    def hear(message: Any) -> None:
        if message.type in {"error", "warning"} and "Failed to load resource" not in message.text:
            visitor.faults.append(message.text)

    context.on("request", note)
    page.on("console", hear)
    page.on("pageerror", lambda error: visitor.faults.append(str(error)))
    yield visitor
    await context.close()
    assert not visitor.faults


def file(name: str, data: bytes, kind: str = WACZ) -> FilePayload:
    return {"name": name, "mimeType": kind, "buffer": data}


async def test_a_package_is_verified_and_nothing_leaves_the_browser(
    visitor: Visitor, deployment: Deployment
) -> None:
    await visitor.open()
    visitor.requests.clear()
    page = await visitor.give(file("p.wacz", deployment.package))
    assert await visitor.verdict() == "VALID"
    assert await visitor.tone() == "warn"  # development trust is amber, whatever else holds
    assert await page.locator("#result li.ok").count() == 25
    assert await page.locator("#result li.warn").count() >= 6
    await expect(page.get_by_text("信任文件来自出具证据的同一系统")).to_be_visible()
    # Every request since the file was given: own files and the trust file, all GET, none with a body.
    base = re.escape(visitor.base)
    assert visitor.requests
    for request in visitor.requests:
        assert request.method == "GET"
        assert request.post_data_buffer is None
        assert re.fullmatch(rf"{base}/(verify/assets/[\w.-]+|api/trust)", request.url), request.url


async def test_the_worker_that_reads_the_file_may_connect_to_nothing(visitor: Visitor, house: House) -> None:
    await visitor.open()
    worker = next(r.url for r in visitor.requests if "/assets/index-" in r.url)
    answer = await house.http.get(worker)
    script = next(name for name in re.findall(r"worker-[\w-]+\.js", answer.text))
    policy = (await house.http.get(f"/verify/assets/{script}")).headers["content-security-policy"]
    assert "connect-src 'none'" in policy
    page_policy = (await house.http.get("/verify/")).headers["content-security-policy"]
    assert "default-src 'none'" in page_policy
    assert "wasm-unsafe-eval" not in page_policy
    assert f"connect-src {visitor.base}/api/trust;" in page_policy
    # Negative control: the policy bites. The page itself cannot send anything anywhere else.
    refused = await visitor.page.evaluate(
        "() => fetch('/api/csp-reports', {method: 'POST', body: 'x'}).then(() => 'sent', () => 'refused')"
    )
    assert refused == "refused"
    visitor.faults.clear()


async def test_it_works_without_a_network_once_it_was_open(visitor: Visitor, deployment: Deployment) -> None:
    await visitor.open()
    await visitor.context.set_offline(True)
    await visitor.page.reload()
    page = await visitor.give(file("p.wacz", deployment.package))
    assert await visitor.verdict() == "VALID"
    await expect(page.get_by_text("未联网")).to_be_visible()
    visitor.faults.clear()  # the browser notes that there is no network


@pytest.mark.parametrize("where", [0.2, 0.6, 0.9])
async def test_a_changed_package_is_red_with_reasons(
    visitor: Visitor, deployment: Deployment, where: float
) -> None:
    await visitor.open()
    changed = bytearray(deployment.package)
    changed[int(len(changed) * where)] ^= 1
    page = await visitor.give(file("p.wacz", bytes(changed)))
    assert await visitor.verdict() == "INVALID"
    assert await visitor.tone() == "bad"
    failed = page.locator("#result li.bad")
    assert await failed.count() >= 1
    # Not by colour alone: a mark and a word.
    await expect(failed.first.locator(".state")).to_contain_text("✗ 未通过")


async def test_an_own_trust_file_decides(visitor: Visitor, deployment: Deployment) -> None:
    await visitor.open()
    other = Deployment(("ed25519",), 1)
    own = file("trust.json", json.dumps(other.trust | {"development": False}).encode(), "application/json")
    await visitor.page.set_input_files("#trust-file", [own])
    page = await visitor.give(file("p.wacz", deployment.package))
    assert await visitor.verdict() == "INVALID"
    page = await visitor.give(file("p.wacz", other.package))
    assert await visitor.verdict() == "VALID"
    assert await visitor.tone() == "ok"
    await expect(page.get_by_text("信任文件来自出具证据的同一系统")).to_have_count(0)


async def test_a_redacted_copy_is_amber_and_names_what_is_missing(
    visitor: Visitor, deployment: Deployment
) -> None:
    await visitor.open()
    gone = next(name for name in sorted(sample_artefacts()) if name.endswith(".html"))
    files = {name: data for name, data in deployment.files.items() if name != gone}
    files["evidence/redaction.json"] = json.dumps({"removed": [gone], "v": 1}, separators=(",", ":")).encode()
    page = await visitor.give(file("p.wacz", deployment.repacked(files)))
    assert await visitor.verdict() == "REDACTED"
    assert await visitor.tone() == "warn"
    await expect(page.locator(f"[data-code='removed:{gone}']")).to_be_visible()


async def test_the_print_s_link_is_compared_not_trusted(visitor: Visitor, deployment: Deployment) -> None:
    digest = hashlib.sha256(deployment.package).hexdigest()
    await visitor.open(f"/verify/#{NUMBER}.{digest}")
    await expect(visitor.page.locator("#claim")).to_contain_text(NUMBER)
    await visitor.give(file("p.wacz", deployment.package))
    assert await visitor.tone() == "warn"
    assert await visitor.page.locator("[data-code=print]").count() == 2
    # A genuine package that is another one than the print's is red.
    await visitor.page.goto("about:blank")
    await visitor.open(f"/verify/?no={NUMBER[:-1]}9&sha256={'0' * 64}")
    await visitor.give(file("p.wacz", deployment.package))
    assert await visitor.verdict() == "VALID"
    assert await visitor.tone() == "bad"


async def test_what_is_no_package_gets_a_sentence(visitor: Visitor) -> None:
    await visitor.open()
    await visitor.page.set_input_files("#package-file", [file("x.txt", b"hello", "text/plain")])
    await expect(visitor.page.locator("#message")).to_contain_text("无法核验", timeout=VERDICT_MS)


async def test_the_page_is_accessible_before_and_after(visitor: Visitor, deployment: Deployment) -> None:
    await visitor.open()
    axe = AXE.read_text(encoding="utf-8")
    for _ in range(2):
        await visitor.page.evaluate(axe)
        found = await visitor.page.evaluate("() => axe.run()")
        assert [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]] == []
        await visitor.give(file("p.wacz", deployment.package))
    # By keyboard: the verdict has the focus, so a reader hears it at once.
    assert await visitor.page.evaluate("() => document.activeElement.id") == "verdict"
