"""Full-page pictures: lossless PNG straight from the browser, in tiles when the page is tall."""

import base64
from dataclasses import dataclass
from typing import Any

from playwright.async_api import CDPSession

from services.crawler.recording.spool import Spool
from services.crawler.settings import CaptureLimits

PATH = "evidence/page.png"


@dataclass(frozen=True)
class Picture:
    """What was pictured, in CSS pixels."""

    width: int
    page_height: int
    height: int
    tiles: list[dict[str, Any]]

    @property
    def cut(self) -> bool:
        """Whether the page goes on below the picture."""
        return self.height < self.page_height


def tile_plan(height: int, max_height: int, tile_height: int) -> list[tuple[int, int]]:
    """(top, height) of each tile, from the top down to `max_height`; at least one pixel high."""
    end = max(1, min(height, max_height))
    return [(top, min(tile_height, end - top)) for top in range(0, end, tile_height)]


def tile_path(number: int) -> str:
    """The first tile is the page's picture; further ones continue it downwards."""
    return PATH if number == 0 else f"evidence/page-{number + 1:02}.png"


async def take_pictures(cdp: CDPSession, spool: Spool, limits: CaptureLimits) -> Picture:
    """Picture the page from the top, tile by tile, so that memory holds one tile at most.

    `optimizeForSpeed` is lossless: it only chooses a faster compression. Raises playwright's Error.
    """
    metrics = (await cdp.send("Page.getLayoutMetrics"))["cssContentSize"]
    page_height, width = round(metrics["height"]), limits.width
    tiles: list[dict[str, Any]] = []
    for number, (top, height) in enumerate(tile_plan(page_height, limits.max_height, limits.tile_height)):
        shot = await cdp.send(
            "Page.captureScreenshot",
            {
                "format": "png",
                "optimizeForSpeed": True,
                "captureBeyondViewport": True,
                "clip": {"x": 0, "y": top, "width": width, "height": height, "scale": 1},
            },
        )
        artefact = spool.write(tile_path(number), "picture", "image/png", base64.b64decode(shot["data"]))
        tiles.append({"path": artefact.path, "y": top, "height": height})
    return Picture(width, page_height, tiles[-1]["y"] + tiles[-1]["height"], tiles)
