"""A sealed package of the running product in foreign hands: ReplayWeb.page replays it offline, the second
verifier calls it VALID. ReplayWeb.page is AGPL and used here as an oracle only; nothing of it is shipped.
"""

import json
import os
import subprocess
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, Request, async_playwright, expect
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from tests.gateway_house import free_port, serve
from tests.security.test_evidence_differential import CLI, node
from tests.stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.browser]
REPLAY = Path(__file__).parents[1] / "replay" / "node_modules" / "replaywebpage"
LOADED_MS = 60_000

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>replay</title>
<script src="/replay/ui.js"></script></head><body style="margin:0">
<replay-web-page style="display:block;height:900px" replayBase="/replay/" embed="default"
 source="/files/package.wacz" url="{url}"></replay-web-page></body></html>"""

# Its frame is served by its worker alone; one loaded a moment too soon stays "Not Found": the worker first.
WORKER_ACTIVE = """async () => {
 const found = await navigator.serviceWorker.register("/replay/sw.js?serveIndex=1", { scope: "/replay/" });
 const worker = found.installing ?? found.waiting ?? found.active;
 while (worker.state !== "activated")
  await new Promise((changed) => worker.addEventListener("statechange", changed, { once: true }));
}"""


@pytest.fixture(scope="module")
async def package(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object]]:
    """The package of a whole page the product sealed, exported as an officer does, and its facts."""
    folder = tmp_path_factory.mktemp("package")
    token = (stack.home / "operator.token").read_text().strip()
    async with httpx.AsyncClient(
        base_url=stack.base_url, headers={"authorization": f"Bearer {token}"}, timeout=60
    ) as http:
        items = (await http.get("/api/evidence", params={"outcome": "COMPLETE"})).json()["items"]
        found = next(item for item in items if item["evidence_no"])
        answer = await http.get(f"/api/evidence/{found['id']}/package", params={"reason": "重放核对"})
        assert answer.status_code == 200, answer.text
        (folder / "package.wacz").write_bytes(answer.content)
        (folder / "trust.json").write_bytes((await http.get("/api/trust")).content)
    return folder / "package.wacz", found


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        path = os.environ.get("WANGJIAN_CHROMIUM", "/usr/bin/chromium")
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = await playwright.chromium.launch(executable_path=path, args=options)
        yield browser
        await browser.close()


def replayer(folder: Path, url: str) -> Starlette:
    """Serves ReplayWeb.page's own files, the package (with ranges) and a page that embeds both."""
    (folder / "index.html").write_text(PAGE.format(url=url), encoding="utf-8")
    return Starlette(
        routes=[
            Mount("/replay", StaticFiles(directory=REPLAY)),
            Mount("/files", StaticFiles(directory=folder, html=True)),
        ]
    )


async def test_replaywebpage_shows_the_captured_page_without_a_network(
    package: tuple[Path, dict[str, object]], chromium: Browser
) -> None:
    assert REPLAY.is_dir(), "ReplayWeb.page is not installed: sh infra/bootstrap.sh replay"
    file, facts = package
    text = zipfile.ZipFile(file).read("evidence/text.txt").decode()
    lines = [line.strip() for line in text.splitlines() if len(line.strip()) > 3][:3]
    assert len(lines) == 3, "the page has too little text to know it by"
    port, asked = free_port(), list[str]()

    def note(request: Request) -> None:
        asked.append(request.url)

    async with serve(replayer(file.parent, str(facts["final_url"])), port=port):
        context = await chromium.new_context()
        context.on("request", note)
        page = await context.new_page()
        await page.goto(f"http://127.0.0.1:{port}/files/trust.json")
        await page.evaluate(WORKER_ACTIVE)
        await page.goto(f"http://127.0.0.1:{port}/files/")
        inner = page.frame_locator("replay-web-page iframe").frame_locator("iframe")
        for line in lines:
            await expect(inner.get_by_text(line).first).to_be_visible(timeout=LOADED_MS)
        await context.close()
    # Nothing was asked of anybody but the replayer: what is shown comes out of the package.
    assert asked
    assert all(url.startswith((f"http://127.0.0.1:{port}/", "blob:", "data:")) for url in asked), asked


def test_the_second_verifier_calls_a_real_package_valid(package: tuple[Path, dict[str, object]]) -> None:
    file, _ = package
    command = [node(), str(CLI), "--trust", str(file.parent / "trust.json"), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    failed = [(check["code"], check["detail"]) for check in report["checks"] if not check["ok"]]
    assert (report["verdict"], failed) == ("VALID", [])
    # Negative control: one bit of the picture, and it is not.
    changed = bytearray(file.read_bytes())
    changed[len(changed) // 3] ^= 1
    file.with_name("changed.wacz").write_bytes(bytes(changed))
    again = [*command[:-1], str(file.with_name("changed.wacz"))]
    assert subprocess.run(again, capture_output=True, check=False).returncode == 1
