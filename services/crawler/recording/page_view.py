"""Looking at the page from a world its scripts cannot reach: scrolling, text, document."""

import json
from typing import Any

from playwright.async_api import CDPSession
from playwright.async_api import Error as BrowserError

from services.crawler.recording.tidy import tidy
from services.crawler.settings import CaptureLimits

# Runs in an isolated world: the page's scripts can neither see it nor replace what it calls.
# Goes down one viewport at a time; two frames at each stop let observers of lazy images act.
_SCROLL = """
async ({maxHeight, seconds, from}) => {
  const frame = () => new Promise(done => requestAnimationFrame(() => done()));
  const root = () => document.scrollingElement || document.documentElement;
  const began = performance.now(), first = root() ? root().scrollHeight : 0;
  const step = Math.max(200, Math.floor(innerHeight));
  let y = from, steps = 0, stop = 'bottom', grew = 0, height = first;
  while (root()) {
    if (performance.now() - began > seconds * 1000) { stop = 'time'; break; }
    if (y >= maxHeight) { stop = 'max_height'; break; }
    scrollTo({top: y, behavior: 'instant'}); steps++;
    await frame(); await frame();
    const now = root().scrollHeight;
    if (now > height) { grew += now - height; height = now; }
    if (y + innerHeight >= now) break;
    y += step;
  }
  return {stop_reason: stop, steps, first_height: first, height, grew, bottom: y};
}
"""
_IMAGES = """
({maxHeight}) => {
  let waiting = 0, broken = 0, all = 0;
  for (const image of document.images) {
    const box = image.getBoundingClientRect();
    if (!image.currentSrc || box.top + scrollY > maxHeight) continue;
    all++;
    if (!image.complete) waiting++; else if (!image.naturalWidth) broken++;
  }
  return {all, waiting, broken};
}
"""
_HEIGHT = "() => document.scrollingElement ? document.scrollingElement.scrollHeight : 0"
_TOP = "() => { scrollTo({top: 0, behavior: 'instant'}); return new Promise(d => requestAnimationFrame(d)); }"
_TEXT = """
({max}) => ({title: document.title.slice(0, 1000), url: location.href,
  text: (document.body ? document.body.innerText : '').slice(0, max),
  charset: document.characterSet})
"""


class PageView:
    """The page's main frame through an isolated world, made anew when the page navigated."""

    def __init__(self, cdp: CDPSession, limits: CaptureLimits) -> None:
        self._cdp, self._limits = cdp, limits
        self._context: int | None = None

    async def enter(self) -> None:
        """Make the isolated world in the current document. Raises playwright's Error."""
        tree = await self._cdp.send("Page.getFrameTree")
        world = await self._cdp.send(
            "Page.createIsolatedWorld",
            {"frameId": tree["frameTree"]["frame"]["id"], "worldName": "wangjian"},
        )
        self._context = int(world["executionContextId"])

    async def _call(self, function: str, **given: Any) -> Any:
        if self._context is None:
            await self.enter()
        try:
            return await self._evaluate(function, given)
        except BrowserError:
            # The page navigated meanwhile and took the world with it: look at the new document.
            await self.enter()
            return await self._evaluate(function, given)

    async def _evaluate(self, function: str, given: dict[str, Any]) -> Any:
        answer = await self._cdp.send(
            "Runtime.evaluate",
            {
                "expression": f"({function})({json.dumps(given)})",
                "contextId": self._context,
                "awaitPromise": True,
                "returnByValue": True,
            },
        )
        return answer["result"].get("value")

    async def scroll(self, seconds: float, start: int = 0) -> dict[str, Any]:
        """Scroll down from `start`: {stop_reason: bottom|time|max_height, steps, height, …}, CSS pixels."""
        got = await self._call(_SCROLL, maxHeight=self._limits.max_height, seconds=seconds, **{"from": start})
        return dict(got)

    async def height(self) -> int:
        """The page's height in CSS pixels."""
        return int(await self._call(_HEIGHT) or 0)

    async def images(self) -> dict[str, int]:
        """How many pictures the page shows, and how many are still loading or could not be shown."""
        return dict(await self._call(_IMAGES, maxHeight=self._limits.max_height))

    async def to_top(self) -> None:
        """Back to the top, where a reader would begin."""
        await self._call(_TOP)

    async def text(self) -> dict[str, str]:
        """{title, url, text, charset} as shown."""
        return dict(tidy(await self._call(_TEXT, max=self._limits.max_text)))

    async def document(self) -> str:
        """The document as it stands, with its doctype, as the browser itself serialises it."""
        root = await self._cdp.send("DOM.getDocument", {"depth": 0})
        answer = await self._cdp.send("DOM.getOuterHTML", {"nodeId": root["root"]["nodeId"]})
        return str(answer["outerHTML"])
