"""Pages that misbehave: each capture ends with an outcome and a reason, kept; the worker lives on."""

import asyncio
import contextlib
import hashlib
import io
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from warcio.archiveiterator import ArchiveIterator
from warcio.checker import Checker

from services.crawler.egress.proxy import EgressProxy
from services.crawler.jail.browser import JailedBrowser
from services.crawler.jail.scratch import scratch_root
from services.crawler.recording.findings import Job, Recorded
from services.crawler.recording.session import CaptureSession
from services.crawler.recording.spool import Spool
from services.crawler.settings import CaptureLimits, CrawlerSettings
from tests.crawler_site import GBK, PICTURE, Site, running_site, self_signed

pytestmark = pytest.mark.browser

ALWAYS = {
    "archive/data.warc.gz", "indexes/index.cdxj", "pages/pages.jsonl", "evidence/steps.jsonl",
    "evidence/egress.jsonl", "evidence/env.json",
}  # fmt: skip
SHOWN = {"evidence/page.png", "evidence/page.mhtml", "evidence/dom.html", "evidence/text.txt"}


@dataclass
class Taken:
    """A finished capture and its files."""

    recorded: Recorded
    spool: Spool

    @property
    def outcome(self) -> tuple[str, str | None]:
        reason = self.recorded.outcome.reason
        return self.recorded.outcome.state, reason.code if reason else None

    @property
    def paths(self) -> set[str]:
        return {a.path for a in self.spool.artefacts}

    def read(self, path: str) -> bytes:
        return self.spool.place(path).read_bytes()


@dataclass
class Bench:
    """The jailed browser with the misbehaving sites."""

    take: Callable[[str], Awaitable[Taken]]
    site: Site
    tls: Site
    jail: JailedBrowser


@pytest.fixture(scope="module")
async def bench(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    home = tmp_path_factory.mktemp("faults")
    limits = CaptureLimits(
        budget_seconds=7, load_seconds=3, collect_seconds=8, max_bytes=30 << 20, max_body=8 << 20,
        max_document=512 << 10,
    )  # fmt: skip
    async with contextlib.AsyncExitStack() as stack:
        site = await stack.enter_async_context(running_site())
        tls = await stack.enter_async_context(running_site(self_signed(home)))
        allow = [
            ("127.0.0.1", site.port),
            ("shop.localhost", site.port),
            ("localhost", tls.port),
            ("*.localhost", site.port),
            ("127.0.0.1", 8),
        ]
        proxy = EgressProxy(allow)
        jail = JailedBrowser(home, proxy, CrawlerSettings(), limits)
        await jail.start()
        stack.push_async_callback(jail.close)
        count = iter(range(1000))

        async def take(url: str) -> Taken:
            spool = Spool(home / "spool" / str(next(count)))
            spool.wipe()
            session = CaptureSession(Job("c", url, "0" * 64), jail, proxy, spool, limits, lambda *_: None)
            return Taken(await session.run(), spool)

        yield Bench(take, site, tls, jail)


def check_record(taken: Taken) -> None:
    """What is kept of every capture is there, hashed rightly, and readable by other programs."""
    assert taken.paths >= ALWAYS
    for artefact in taken.spool.artefacts:
        data = taken.read(artefact.path)
        assert (len(data), hashlib.sha256(data).hexdigest()) == (artefact.bytes, artefact.sha256)
        assert hashlib.new("sm3", data).hexdigest() == artefact.sm3
    records = list(ArchiveIterator(io.BytesIO(taken.read("archive/data.warc.gz"))))
    assert records[0].rec_type == "warcinfo"
    assert json.loads(taken.read("pages/pages.jsonl").splitlines()[0])["format"] == "json-pages-1.0"
    previous = "0" * 64
    for line in taken.read("evidence/steps.jsonl").splitlines():
        assert json.loads(line)["prev"] == previous
        previous = hashlib.sha256(line).hexdigest()
    assert taken.recorded.steps_head == previous


@pytest.mark.parametrize(
    ("path", "state", "code"),
    [
        ("/gone", "COMPLETE", "http.404"),
        ("/rude", "COMPLETE", None),
        ("/inner-file", "COMPLETE", None),
        ("/loop", "PARTIAL", "page.script_hung"),
        ("/endless", "PARTIAL", "page.endless"),
        ("/tall", "PARTIAL", "page.too_tall"),
        ("/hanging-image", "PARTIAL", "load.partial"),
        ("/drip", "PARTIAL", "load.partial"),
        ("/gib-page", "PARTIAL", "size.limit"),
    ],
)
async def test_pages_that_misbehave_are_still_captured(
    bench: Bench, path: str, state: str, code: str | None
) -> None:
    taken = await bench.take(bench.site.url(path))
    check_record(taken)
    assert taken.outcome == (state, code)
    assert path == "/gib-page" or taken.paths >= SHOWN


@pytest.mark.parametrize(
    ("path", "state", "code"),
    [
        ("/file.zip", "PARTIAL", "page.download"),
        ("/gib", "PARTIAL", "page.download_cut"),
        ("/no-content", "PARTIAL", "page.no_content"),
        ("/hang", "FAILED", "load.timeout"),
        ("/reset", "FAILED", "connection.empty"),
        ("/circle", "FAILED", "redirects.too_many"),
        ("/to-file", "BLOCKED", "redirect.refused"),
    ],
)
async def test_addresses_without_a_page(bench: Bench, path: str, state: str, code: str) -> None:
    taken = await bench.take(bench.site.url(path))
    check_record(taken)
    assert taken.outcome == (state, code)
    assert not taken.paths & SHOWN, "no picture of an error page of the browser's own"


@pytest.mark.parametrize(
    ("url", "state", "code"),
    [
        ("http://127.0.0.1:8000/", "BLOCKED", "address.loopback"),
        ("http://10.1.2.3/", "BLOCKED", "address.private"),
        ("http://169.254.169.254/latest/", "BLOCKED", "address.link_local"),
        ("https://[::1]/", "BLOCKED", "address.loopback"),
        ("http://127.0.0.1:22/", "BLOCKED", "port.refused"),
        ("https://no-such-shop.invalid/", "FAILED", "dns.failed"),
        ("file:///etc/passwd", "BLOCKED", "redirect.refused"),
    ],
)
async def test_places_that_cannot_be_reached(bench: Bench, url: str, state: str, code: str) -> None:
    taken = await bench.take(url)
    check_record(taken)
    assert taken.outcome == (state, code)
    assert b"root:" not in b"".join(taken.read(p) for p in taken.paths)


async def test_a_rejected_certificate_is_kept(bench: Bench) -> None:
    taken = await bench.take(bench.tls.url("/", host="localhost", scheme="https"))
    check_record(taken)
    assert taken.outcome == ("FAILED", "tls.certificate")
    fact = next(e for e in taken.recorded.errors if e["what"] == "certificate")
    assert "不可信商城" in fact["subject"]
    (path,) = [p for p in taken.paths if p.endswith(".der")]
    assert hashlib.sha256(taken.read(path)).hexdigest() == fact["sha256"]
    assert taken.recorded.connections[0]["tls"]["chain_sha256"] == [fact["sha256"]]
    assert not bench.tls.hits, "no request was sent over the connection that was not trusted"


async def test_a_good_page_is_whole_and_its_archive_right(bench: Bench) -> None:
    taken = await bench.take(bench.site.url("/moved", host="shop.localhost"))
    check_record(taken)
    assert taken.outcome == ("COMPLETE", None)
    archive = taken.spool.place("archive/data.warc.gz")
    checker = Checker(type("Options", (), {"inputs": [str(archive)], "verbose": False})())
    checker.process_all()
    assert checker.exit_value == 0, "warcio finds every digest right"
    bodies: dict[str, bytes] = {}
    with archive.open("rb") as file:
        for record in ArchiveIterator(file):
            if record.rec_type == "response":
                url = record.rec_headers.get_header("WARC-Target-URI")
                bodies[url.partition(str(bench.site.port))[2]] = record.content_stream().read()
                assert record.rec_headers.get_header("WARC-IP-Address") == "127.0.0.1"
    assert {"/moved", "/moved2", "/", "/app.js", "/x.json", *(f"/p{n}.png" for n in range(10))} <= set(bodies)
    assert bodies["/p3.png"] == PICTURE
    for line in taken.read("indexes/index.cdxj").splitlines():
        entry = json.loads(line.split(b" ", 2)[2])
        with archive.open("rb") as file:
            file.seek(int(entry["offset"]))
            found = next(iter(ArchiveIterator(io.BytesIO(file.read(int(entry["length"]))))))
            assert found.rec_headers.get_header("WARC-Target-URI") == entry["url"]
    page = json.loads(taken.read("pages/pages.jsonl").splitlines()[1])
    assert page["title"] == "赣南脐橙旗舰店" and "月销 1024 件" in page["text"]


async def test_the_browser_itself_asks_nobody(bench: Bench) -> None:
    taken = await bench.take(bench.site.url("/form"))
    assert taken.outcome == ("COMPLETE", None)
    assert {c.host for c in taken.recorded.ledger.connections} == {"127.0.0.1"}


async def test_frames_of_other_sites_and_workers_are_recorded(bench: Bench) -> None:
    taken = await bench.take(bench.site.url("/framing", host="shop.localhost"))
    check_record(taken)
    assert taken.outcome == ("COMPLETE", None)
    index = taken.read("indexes/index.cdxj").decode()
    for path in ("/framing", "/inner", "/p77.png", "/inner.js", "/worker.js", "/from-worker.json"):
        assert f"{path} " in index, path
    assert "内页价格" in taken.read("evidence/text.txt").decode()


async def test_the_pages_own_charset_survives(bench: Bench) -> None:
    taken = await bench.take(bench.site.url("/gbk"))
    with taken.spool.place("archive/data.warc.gz").open("rb") as file:
        records = ArchiveIterator(file)
        body = next(r.content_stream().read() for r in records if r.rec_type == "response")
    assert body == GBK
    assert "￥9.9" in taken.read("evidence/text.txt").decode()
    assert taken.recorded.method["reencoded_bodies"] == 0


async def test_the_tall_page_is_pictured_in_tiles(bench: Bench) -> None:
    taken = await bench.take(bench.site.url("/tall"))
    picture = taken.recorded.method["picture"]
    assert (picture["page_height"], picture["height"]) == (60_000, 30_000)
    sizes = []
    for tile in picture["tiles"]:
        data = taken.read(tile["path"])
        sizes.append((int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")))
    assert sizes == [(1280, 16_000), (1280, 14_000)]


async def test_a_crashed_browser_is_replaced(bench: Bench) -> None:
    os.kill(int((bench.jail._folder / "browser.pid").read_text()), signal.SIGKILL)
    for _ in range(2):
        taken = await bench.take(bench.site.url("/gone"))
        if taken.outcome[0] == "COMPLETE":
            break
    assert taken.outcome == ("COMPLETE", "http.404")


async def test_a_browser_killed_under_a_capture_is_said_so(bench: Bench) -> None:
    running = asyncio.ensure_future(bench.take(bench.site.url("/hang")))
    await asyncio.sleep(1)
    os.kill(int((bench.jail._folder / "browser.pid").read_text()), signal.SIGKILL)
    taken = await asyncio.wait_for(running, 20)
    check_record(taken)
    assert taken.outcome == ("FAILED", "browser.crashed")
    assert (await bench.take(bench.site.url("/gone"))).outcome == ("COMPLETE", "http.404")


def kill_forwarder(jail: JailedBrowser) -> None:
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            line = (folder / "cmdline").read_bytes()
            if line.startswith(b"socat") and os.fsencode(jail._folder) in line:
                os.kill(int(folder.name), signal.SIGKILL)


async def test_a_killed_forwarder_comes_back(bench: Bench) -> None:
    await bench.take(bench.site.url("/gone"))
    kill_forwarder(bench.jail)
    await asyncio.sleep(1)
    assert (await bench.take(bench.site.url("/gone"))).outcome == ("COMPLETE", "http.404")


def drivers() -> set[int]:
    """Playwright's driver processes below this one."""
    found = set()
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if folder.name.isdigit() and b"run-driver" in (folder / "cmdline").read_bytes():
                parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
                if int(parent) == os.getpid():
                    found.add(int(folder.name))
    return found


async def test_a_killed_driver_is_replaced(bench: Bench) -> None:
    await bench.take(bench.site.url("/gone"))
    for pid in drivers():
        os.kill(pid, signal.SIGKILL)
    await asyncio.sleep(0.3)
    assert (await bench.take(bench.site.url("/gone"))).outcome == ("COMPLETE", "http.404")
    running = asyncio.ensure_future(bench.take(bench.site.url("/hang")))
    await asyncio.sleep(1)
    for pid in drivers():
        os.kill(pid, signal.SIGKILL)
    taken = await asyncio.wait_for(running, 20)
    check_record(taken)
    assert taken.outcome == ("FAILED", "browser.crashed")
    assert (await bench.take(bench.site.url("/gone"))).outcome == ("COMPLETE", "http.404")


KILLED = """
import asyncio, sys
from pathlib import Path
from services.crawler.egress.proxy import EgressProxy
from services.crawler.jail.browser import JailedBrowser
from services.crawler.settings import CaptureLimits, CrawlerSettings
async def main():
    jail = JailedBrowser(Path(sys.argv[1]), EgressProxy([]), CrawlerSettings(), CaptureLimits())
    await jail.start()
    print("started", flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


def processes_of(root: Path) -> list[str]:
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if folder.name.isdigit() and os.fsencode(root) in (folder / "cmdline").read_bytes():
                found.append(folder.name)
    return found


async def test_nothing_of_a_killed_worker_is_left(tmp_path: Path, bench: Bench) -> None:
    root = scratch_root(tmp_path)
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert worker.stdout
    while await worker.stdout.readline() != b"started\n":
        assert worker.returncode is None
    assert processes_of(root)
    worker.kill()
    await worker.wait()
    for _ in range(300):
        if not processes_of(root):
            break
        await asyncio.sleep(0.1)
    assert not processes_of(root), "browser and forwarder end with their worker"
    following = JailedBrowser(tmp_path, EgressProxy([]), CrawlerSettings(), CaptureLimits())
    await following.start()
    assert [p.name.partition("-")[0] for p in root.iterdir()] == [str(os.getpid())], "its folder is swept"
    await following.close()
    assert not root.exists()


def environment_of(pid: int) -> dict[str, Any]:
    """For the check below: what a process was started with."""
    raw = (Path("/proc") / str(pid) / "environ").read_bytes()
    return dict(x.split("=", 1) for x in raw.decode(errors="replace").split("\0") if "=" in x)


async def test_the_browser_inherits_nothing(bench: Bench) -> None:
    await bench.take(bench.site.url("/gone"))
    pid = int((bench.jail._folder / "browser.pid").read_text())
    given = environment_of(pid)
    assert not {name for name in given if name.lower().endswith("_proxy") or name.startswith("WANGJIAN_")}
    assert set(given) <= {"PATH", "LANG", "TZ", "HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "TMPDIR", "PWD",
                          "OLDPWD", "SHLVL", "_", *(n for n in given if n.startswith("WJ_"))}  # fmt: skip
