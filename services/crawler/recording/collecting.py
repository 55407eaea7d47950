"""Taking what the page shows: picture, page files, text, certificates, archive; all at the same time."""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from playwright.async_api import Error as BrowserError
from playwright.async_api import Frame

from services.crawler.recording.archive import Page, write_archive
from services.crawler.recording.certificates import (
    collect_chains,
    facts_of,
    origin_of,
    rejected_certificate,
    write_chain,
)
from services.crawler.recording.findings import Findings, Progress, target_of
from services.crawler.recording.page_view import PageView
from services.crawler.recording.pictures import take_pictures
from services.crawler.recording.visit import Visit

T = TypeVar("T")

_FRAME_SECONDS = 2.0
_MAX_FRAMES = 20
_PAGE_LIST_TEXT = 100_000


async def collect(found: Findings, visit: Visit, view: PageView, progress: Progress) -> None:
    """Take everything; what cannot be taken becomes a line in `missing`."""
    progress("shots", "running", {})
    rest = asyncio.gather(
        attempt(found, "page.mhtml", _mhtml(found, visit)),
        attempt(found, "dom.html", _dom(found, view)),
        attempt(found, "text.txt", _text_and_archive(found, visit, view)),
        attempt(found, "certificates", _certificates(found, visit)),
    )
    try:
        found.picture = await attempt(found, "page.png", take_pictures(visit.cdp, found.spool, found.limits))
        progress("shots", "done" if found.picture else "failed", _picture_facts(found))
        progress("collect", "running", {})
    finally:
        await rest
    found.seen.picture_cut = found.picture is not None and found.picture.cut
    found.steps.add("pictures", **_picture_facts(found))
    progress("collect", "done", {"requests": len(found.exchanges)})


async def attempt(found: Findings, what: str, work: Awaitable[T]) -> T | None:
    """The result, or None with a line in `missing`; one artefact that fails does not lose the others."""
    try:
        async with asyncio.timeout(found.limits.collect_seconds):
            return await work
    except (BrowserError, TimeoutError, KeyError) as error:
        why = str(error)[:200] or "timeout"
        found.seen.missing.append({"what": "artefact", "name": what, "why": why})
        found.steps.add("missing", what=what, why=why)
        return None


def _picture_facts(found: Findings) -> dict[str, Any]:
    p = found.picture
    return {"height": p.height, "page_height": p.page_height, "tiles": len(p.tiles)} if p else {}


async def _mhtml(found: Findings, visit: Visit) -> None:
    data = (await visit.cdp.send("Page.captureSnapshot", {"format": "mhtml"}))["data"].encode(
        "utf-8", "replace"
    )
    await asyncio.to_thread(found.spool.write, "evidence/page.mhtml", "mhtml", "multipart/related", data)


async def _dom(found: Findings, view: PageView) -> None:
    html = (await view.document()).encode("utf-8", "replace")
    await asyncio.to_thread(found.spool.write, "evidence/dom.html", "dom", "text/html", html)


async def _text_and_archive(found: Findings, visit: Visit, view: PageView) -> None:
    """The page list of the archive carries title and text, so the archive comes after them."""
    found.text, inner = await asyncio.gather(view.text(), _frame_texts(visit))
    whole = "".join([found.text["text"], *inner])
    data = whole.encode("utf-8", "replace")[: found.limits.max_text]
    found.spool.write("evidence/text.txt", "text", "text/plain", data, derived_from="evidence/dom.html")
    await visit.recorder.finish(found.limits.collect_seconds / 2)
    await archive(found)


async def _frame_texts(visit: Visit) -> list[str]:
    """What embedded frames show, each under its address."""

    async def read(frame: Frame) -> str:
        try:
            async with asyncio.timeout(_FRAME_SECONDS):
                text = await frame.locator("body").inner_text()
        except (BrowserError, TimeoutError) as error:
            visit.steps.add("frame_not_read", url=frame.url[:2000], why=str(error)[:200])
            return ""
        return f"\n\n[frame {frame.url[:2000]}]\n{text}" if text.strip() else ""

    frames = [f for f in visit.page.frames if f.parent_frame and f.url.startswith("http")]
    return await asyncio.gather(*(read(frame) for frame in frames[:_MAX_FRAMES]))


async def _certificates(found: Findings, visit: Visit) -> None:
    origins = sorted({origin_of(e.url) for e in found.exchanges if e.response})
    found.chains = await collect_chains(visit.cdp, origins, found.spool)


async def keep_rejected_certificate(found: Findings, proxy: Any) -> None:
    """Keep the certificate the browser rejected, from a second connection that trusts nothing."""
    url = found.documents[-1].url if found.documents else found.job.url
    target = target_of(url)
    der = await rejected_certificate(proxy, target) if target else None
    if der is None:
        return
    origin, facts = origin_of(url), facts_of(der)
    found.chains[origin] = await asyncio.to_thread(write_chain, found.spool, [der])
    found.errors.append({"what": "certificate", "origin": origin, **facts})
    found.steps.add("certificate_kept", connection="second", sha256=facts["sha256"])


async def archive(found: Findings) -> None:
    """Write archive, index and page list, once a capture."""
    if found.archived:
        return
    found.archived = True
    url = found.main.url.partition("#")[0] if found.main else found.job.url
    page = Page(url, found.text.get("title", ""), found.text.get("text", "")[:_PAGE_LIST_TEXT])
    info = {"software": "Wangjian", "format": "WARC File Format 1.1", "isPartOf": found.job.capture_id}
    await asyncio.to_thread(
        write_archive, found.spool, found.exchanges, found.bodies, page, found.peer_of, info
    )
