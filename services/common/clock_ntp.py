"""The own clock measured against NTP servers (RFC 5905): each answer checked, the median of those that agree.

Nothing is set or steered here: the offset is measured and written down.
"""

import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import ntplib

_PORT = 123
_TIMEOUT_SECONDS = 1.0
_SERVER_MODE, _UNSYNCHRONISED, _LAST_STRATUM = 4, 3, 15
_LONGEST_DISTANCE = 1.5
"""Seconds of root distance beyond which a server is no reference (RFC 5905 MAXDIST)."""
_AGREE_SECONDS = 0.5


@dataclass(frozen=True)
class Answer:
    """One server's answer. Milliseconds; offset: server minus own clock; error: why it does not count."""

    server: str
    offset_ms: float | None = None
    delay_ms: float | None = None
    root_delay_ms: float | None = None
    dispersion_ms: float | None = None
    stratum: int | None = None
    leap: int | None = None
    error: str | None = None

    def row(self) -> dict[str, Any]:
        """As JSON values, without what is not known."""
        return {name: value for name, value in vars(self).items() if value is not None}


def split(server: str) -> tuple[str, int]:
    """`host`, `host:port`, `[v6]:port` → (host, port)."""
    if server.startswith("["):
        host, _, port = server[1:].partition("]")
        return host, int(port.removeprefix(":") or _PORT)
    host, colon, port = server.rpartition(":")
    return (host, int(port)) if colon and ":" not in host else (server, _PORT)


def ask(server: str, timeout: float = _TIMEOUT_SECONDS) -> Answer:
    """One server asked once. Never raises: what went wrong stands in the answer."""
    host, port = split(server)
    try:
        began = time.time()
        found = ntplib.NTPClient().request(host, version=4, port=port, timeout=timeout)
        ended = time.time()
    except (ntplib.NTPException, OSError, ValueError) as error:
        return Answer(server, error=f"{type(error).__name__}: {error}"[:200])
    return Answer(
        server,
        offset_ms=round(found.offset * 1000, 3),
        delay_ms=round(found.delay * 1000, 3),
        root_delay_ms=round(found.root_delay * 1000, 3),
        dispersion_ms=round(found.root_dispersion * 1000, 3),
        stratum=found.stratum,
        leap=found.leap,
        error=_fault(found, began, ended),
    )


def _fault(found: Any, began: float, ended: float) -> str | None:
    """Why an answer is no reference (tests of RFC 5905 §9.2 and §11.2.1), or nothing."""
    slack = 0.005
    if not began - slack <= found.orig_time <= ended + slack:
        return "not an answer to this question"
    if found.mode != _SERVER_MODE:
        return "not of a server"
    if found.leap == _UNSYNCHRONISED or not 0 < found.stratum <= _LAST_STRATUM:
        return "the server itself is not synchronised"
    if found.delay < -slack or found.root_delay / 2 + found.root_dispersion >= _LONGEST_DISTANCE:
        return "too far from its reference"
    return None


def measure(servers: Sequence[str], timeout: float = _TIMEOUT_SECONDS) -> dict[str, Any]:
    """{source, state, offset_ms, dispersion_ms, root_delay_ms, stratum, leap, servers[]}, all asked at once.

    `synchronised` only when more than half of all servers answered properly and agree within half a second;
    else `unsynchronised` with offset null. Takes as long as one time-out at most.
    """
    with ThreadPoolExecutor(len(servers)) as pool:
        answers = list(pool.map(lambda server: ask(server, timeout), servers))
    good = [answer for answer in answers if answer.error is None and answer.offset_ms is not None]
    agreed = _agreeing(good)
    rows = [answer.row() for answer in answers]
    if 2 * len(agreed) <= len(servers):
        return {"source": "ntp", "state": "unsynchronised", "offset_ms": None, "servers": rows}
    middle = _middle(agreed)
    return {
        "source": "ntp:" + ",".join(answer.server for answer in agreed),
        "state": "synchronised",
        "offset_ms": round(statistics.median(answer.offset_ms or 0.0 for answer in agreed), 3),
        "dispersion_ms": middle.dispersion_ms,
        "root_delay_ms": middle.root_delay_ms,
        "stratum": middle.stratum,
        "leap": middle.leap,
        "servers": rows,
    }


def _agreeing(good: Sequence[Answer]) -> list[Answer]:
    """Those within half a second of the median of all."""
    if not good:
        return []
    median = statistics.median(answer.offset_ms or 0.0 for answer in good)
    return [a for a in good if abs((a.offset_ms or 0.0) - median) <= _AGREE_SECONDS * 1000]


def _middle(agreed: Sequence[Answer]) -> Answer:
    return sorted(agreed, key=lambda answer: answer.offset_ms or 0.0)[(len(agreed) - 1) // 2]
