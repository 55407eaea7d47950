"""Whether a capture is complete. Pure decision over what was recorded."""

from dataclasses import dataclass, field
from typing import Any

from services.crawler.egress.ledger import Connection
from services.crawler.recording import reasons
from services.crawler.recording.reasons import Outcome, Reason

# Kinds of resources a page's look depends on.
_VISIBLE = {"Document", "Stylesheet", "Image", "Font", "Script"}


@dataclass
class Observed:
    """What happened, as far as it decides the outcome."""

    http_status: int | None = None
    net_error: str | None = None
    timed_out: bool = False
    crashed: bool = False
    stuck: bool = False
    hung: bool = False
    limit: str | None = None
    download_complete: bool | None = None  # None: it was a page
    connection: Connection | None = None
    forbidden: bool = False
    scroll: dict[str, Any] | None = None
    picture_cut: bool = False
    images_waiting: int = 0
    missing: list[dict[str, str]] = field(default_factory=list)


def judge(seen: Observed) -> Outcome:
    """The outcome of a capture with its reason."""
    if seen.download_complete is not None:
        return Outcome("PARTIAL", reasons.DOWNLOAD if seen.download_complete else reasons.DOWNLOAD_CUT)
    if seen.http_status is None:
        return _without_page(seen)
    reason = _flaw(seen)
    if reason is not None:
        return Outcome("FAILED" if reason is reasons.CRASHED else "PARTIAL", reason)
    return Outcome("COMPLETE", _status_note(seen.http_status))


def _without_page(seen: Observed) -> Outcome:
    if seen.crashed:
        return Outcome("FAILED", reasons.CRASHED)
    if seen.connection is not None:
        said = reasons.of_connection(seen.connection)
        if said is not None:
            return said if said.state != "PARTIAL" else Outcome("FAILED", said.reason)
    if seen.forbidden:
        return reasons.of_net_error("ERR_BLOCKED_BY_CLIENT")
    if seen.net_error and seen.net_error not in ("ERR_ABORTED", "ERR_TIMED_OUT"):
        return reasons.of_net_error(seen.net_error)
    return Outcome("FAILED", reasons.TIMEOUT)


def _flaw(seen: Observed) -> Reason | None:
    """The weightiest thing that is not as it should be, or None."""
    scroll = seen.scroll or {}
    endless = scroll.get("stop_reason") in ("max_height", "time") and scroll.get("grew", 0) > 0
    lost = any(item["what"] in _VISIBLE or item["what"] == "artefact" for item in seen.missing)
    found = (
        (seen.http_status in (204, 205), reasons.NO_CONTENT),
        (seen.crashed, reasons.CRASHED),
        (seen.limit in ("bytes", "decoded", "document", "requests"), reasons.TOO_MUCH),
        (seen.hung, reasons.SCRIPT_HUNG),
        (seen.stuck, reasons.STUCK),
        (endless, reasons.ENDLESS),
        (seen.picture_cut, reasons.TOO_TALL),
        (seen.timed_out or seen.limit == "time" or scroll.get("stop_reason") == "time", reasons.LOAD_PARTIAL),
        (lost or seen.images_waiting > 0, reasons.RESOURCES_MISSING),
    )
    return next((reason for is_so, reason in found if is_so), None)


def _status_note(status: int) -> Reason | None:
    """A page that says it is an error is still that page; the status is pointed out."""
    if status < 400:
        return None
    words = {
        401: "需要登录", 403: "禁止访问", 404: "页面不存在", 410: "页面已删除", 429: "访问过于频繁",
        500: "网站内部错误", 502: "网站网关错误", 503: "网站暂停服务",
    }  # fmt: skip
    told = words.get(status, "错误页面")
    return Reason(
        f"http.{status}",
        f"网站返回 {status}({told}),已固定该页面",
        f"the site answered {status}; that page was kept",
    )
