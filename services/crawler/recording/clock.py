"""The clock as a capture records it: measured before, watched during, refused when it is wrong."""

import asyncio
import time
from typing import Any

from services.common.clock_state import clock_state, refuse_wrong_clock
from services.crawler.settings import get_crawler_settings

_FRESH_SECONDS = 30.0


class CaptureClock:
    """Measures at most every half minute: captures that follow each other share a measurement."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._found: tuple[float, dict[str, Any]] | None = None

    async def measured(self) -> dict[str, Any]:
        """The clock's state. Raises Problem 503 `capture.clock_wrong` when it is off beyond the limit."""
        settings = get_crawler_settings()
        async with self._lock:
            if self._found is None or time.monotonic() - self._found[0] > _FRESH_SECONDS:
                state = await asyncio.to_thread(clock_state, settings.ntp_server_list)
                self._found = time.monotonic(), state
            state = self._found[1]
        refuse_wrong_clock(state, settings.clock_limit_ms)
        return dict(state)
