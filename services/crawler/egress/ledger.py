"""What the egress proxy saw during one capture: names resolved, connections made and refused, bytes."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from services.common.clock import rfc3339, utc_now
from services.crawler.egress.rules import Target

Verdict = Literal["allowed", "refused", "dns_failed", "connect_failed", "limit"]


@dataclass
class Lookup:
    """One name resolved once for the whole capture. `ttl` is unknown to the system's resolver."""

    name: str
    answers: list[str]
    at: str
    ttl: int | None = None
    resolver: str = "system"
    error: str | None = None


@dataclass
class Connection:
    """One connection the browser asked for. Bytes are as on the wire between proxy and site."""

    seq: int
    host: str
    port: int
    kind: Literal["tunnel", "http"]
    answers: list[str] = field(default_factory=list)
    peer: str | None = None
    verdict: Verdict = "allowed"
    reason: str | None = None
    opened: str = ""
    closed: str | None = None
    bytes_up: int = 0
    bytes_down: int = 0
    requests: int = 0

    @property
    def target(self) -> Target:
        """Host and port."""
        return Target(self.host, self.port)


class Ledger:
    """The record of one capture, and its limits: bytes received (as sent by sites) and a deadline.

    When a limit is passed every connection of the capture is cut and later ones are refused.
    """

    def __init__(self, capture_id: str, *, max_bytes: int, seconds: float) -> None:
        self.capture_id = capture_id
        self.max_bytes = max_bytes
        self.deadline = time.monotonic() + seconds
        self.lookups: dict[str, Lookup] = {}
        self.connections: list[Connection] = []
        self.bytes_down = 0
        self.limit: str | None = None
        self._cuts: dict[int, Callable[[], None]] = {}

    def open(self, target: Target, kind: Literal["tunnel", "http"]) -> Connection:
        """Note that the browser asks for a connection."""
        entry = Connection(len(self.connections), target.host, target.port, kind, opened=rfc3339(utc_now()))
        self.connections.append(entry)
        return entry

    def refuse(self, entry: Connection, verdict: Verdict, reason: str) -> None:
        """Note why a connection was not made."""
        entry.verdict, entry.reason, entry.closed = verdict, reason, rfc3339(utc_now())

    def on_cut(self, entry: Connection, cut: Callable[[], None]) -> None:
        """How to cut this connection when a limit is passed or the capture ends."""
        self._cuts[entry.seq] = cut

    def received(self, entry: Connection, count: int) -> None:
        """Count bytes from a site."""
        entry.bytes_down += count
        self.bytes_down += count
        if self.bytes_down > self.max_bytes:
            self.stop("bytes")

    @property
    def spent(self) -> str | None:
        """The limit that was passed: `bytes`, `time`, `decoded`, `ended`; None while there is room."""
        if self.limit is None and time.monotonic() > self.deadline:
            self.stop("time")
        return self.limit

    def finish(self, entry: Connection) -> None:
        """Note the end of a connection."""
        entry.closed = entry.closed or rfc3339(utc_now())
        self._cuts.pop(entry.seq, None)

    def stop(self, limit: str) -> None:
        """Cut everything that is open; later requests are refused with this limit."""
        self.limit = self.limit or limit
        for seq, cut in list(self._cuts.items()):
            entry = self.connections[seq]
            if limit != "ended":
                entry.verdict, entry.reason = "limit", limit
            cut()
            self.finish(entry)

    def last_for(self, target: Target) -> Connection | None:
        """The newest connection asked for to a host and port."""
        return next((c for c in reversed(self.connections) if c.target == target), None)

    def peer_of(self, target: Target) -> str | None:
        """The address that was dialled for a host and port."""
        return next((c.peer for c in self.connections if c.target == target and c.peer), None)

    def rows(self) -> list[dict[str, Any]]:
        """All rows for egress.jsonl: lookups first, then connections in the order they were asked for."""
        lookups = [{"kind": "dns", **asdict(lookup)} for lookup in self.lookups.values()]
        connections = [{**asdict(c), "kind": "connection", "protocol": c.kind} for c in self.connections]
        return [*lookups, *connections]
