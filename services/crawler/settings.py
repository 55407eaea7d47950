"""Limits and programs of the capture worker, beside the common settings (same prefix `WANGJIAN_`)."""

from functools import lru_cache
from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict

MIB = 1024 * 1024


class CaptureLimits(BaseSettings):
    """How much a capture may take. Seconds, bytes, CSS pixels."""

    model_config = SettingsConfigDict(env_prefix="WANGJIAN_CAPTURE_", extra="ignore", frozen=True)

    # Loading and scrolling together; then collecting; then the browser is killed.
    budget_seconds: float = 60.0
    collect_seconds: float = 60.0
    # Part of the budget that waiting for `load` may use, so that a hanging resource leaves time to scroll.
    load_seconds: float = 40.0
    # Bytes from sites as sent, and after decompression.
    max_bytes: int = 200 * MIB
    max_decoded: int = 400 * MIB
    # One response; a larger one is cut and named in the manifest.
    max_body: int = 50 * MIB
    max_document: int = 10 * MIB
    max_requests: int = 5000
    # A page is pictured down to this height; one picture file holds at most `tile_height`.
    max_height: int = 30_000
    tile_height: int = 16_000
    max_text: int = 32 * MIB
    width: int = 1280
    height: int = 800
    browser_every: int = 50


class CrawlerSettings(BaseSettings):
    """Programs and places."""

    model_config = SettingsConfigDict(env_prefix="WANGJIAN_", extra="ignore", frozen=True)

    chromium: Path = Path("/usr/bin/chromium")
    # Numeric id Chromium runs as when the worker was started by root; it needs no account.
    browser_uid: int = 58702
    # `auto` probes the kernel; `proxy-only` is for deployments whose pod network already isolates the worker.
    jail: str = "auto"
    # NTP servers `host[:port]`, separated by commas: asked before captures; none by default.
    ntp_servers: str = ""
    # A capture is refused when the clock is known to be off by more, or is set by more while it runs.
    clock_limit_ms: float = 1000.0

    @property
    def ntp_server_list(self) -> list[str]:
        """The NTP servers, one by one."""
        return [server.strip() for server in self.ntp_servers.split(",") if server.strip()]


@lru_cache(maxsize=1)
def get_crawler_settings() -> CrawlerSettings:
    """The crawler's settings of this process."""
    return CrawlerSettings()


@lru_cache(maxsize=1)
def get_limits() -> CaptureLimits:
    """The capture limits of this process."""
    return CaptureLimits()
