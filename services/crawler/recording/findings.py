"""What a capture is about, what it has found so far, and what it hands over in the end."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlsplit

from services.crawler.egress.ledger import Ledger
from services.crawler.egress.rules import Target, parse_authority
from services.crawler.recording.bodies import BodyStore
from services.crawler.recording.exchanges import Exchange
from services.crawler.recording.judge import Observed
from services.crawler.recording.pictures import Picture
from services.crawler.recording.reasons import Outcome
from services.crawler.recording.spool import Spool
from services.crawler.recording.steps import StepLog
from services.crawler.recording.visit import Visit
from services.crawler.settings import CaptureLimits

Progress = Callable[[str, Literal["running", "done", "failed"], dict[str, Any]], None]


@dataclass(frozen=True)
class Job:
    """What is to be captured.

    order_leaf: hex leaf hash of the order in the evidence log; earlier: how tries before this one ended.
    """

    capture_id: str
    url: str
    order_leaf: str
    earlier: tuple[str, ...] = ()


@dataclass
class Recorded:
    """What a capture found, beside its artefacts."""

    outcome: Outcome
    observed: Observed
    ledger: Ledger
    started: datetime
    ended: datetime
    clock: dict[str, Any]
    environment: dict[str, Any]
    method: dict[str, Any]
    steps_head: str
    final_url: str | None = None
    address_bar: str | None = None
    title: str = ""
    redirects: list[dict[str, Any]] = field(default_factory=list)
    connections: list[dict[str, Any]] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Findings:
    """A capture under way. The parts that record write into it; nothing here touches the browser."""

    job: Job
    spool: Spool
    limits: CaptureLimits
    steps: StepLog
    bodies: BodyStore
    ledger: Ledger
    seen: Observed = field(default_factory=Observed)
    visit: Visit | None = None
    environment: dict[str, Any] = field(default_factory=dict)
    text: dict[str, str] = field(default_factory=dict)
    chains: dict[str, list[str]] = field(default_factory=dict)
    errors: list[dict[str, Any]] = field(default_factory=list)
    picture: Picture | None = None
    archived: bool = False

    @classmethod
    def of(cls, job: Job, spool: Spool, limits: CaptureLimits) -> "Findings":
        """Nothing found yet."""
        steps = StepLog(job.order_leaf)
        for ended in job.earlier:
            steps.add("earlier_try", ended=ended)
        ledger = Ledger(job.capture_id, max_bytes=limits.max_bytes, seconds=limits.budget_seconds)
        return cls(job, spool, limits, steps, BodyStore(spool.folder / "bodies.tmp"), ledger)

    @property
    def exchanges(self) -> list[Exchange]:
        """All requests and answers so far."""
        return self.visit.recorder.exchanges.all if self.visit else []

    @property
    def documents(self) -> list[Exchange]:
        """The documents asked for in the main frame, in order."""
        return self.visit.recorder.exchanges.documents(self.visit.frame) if self.visit else []

    @property
    def main(self) -> Exchange | None:
        """The document the page finally shows."""
        return next((d for d in reversed(self.documents) if d.response and not d.redirected), None)

    def note_error(self, what: str, message: str) -> None:
        """Keep an error for the manifest and the step log."""
        self.errors.append({"what": what, "message": message[:500]})
        self.steps.add("error", what=what, message=message[:500])

    def crashed(self) -> None:
        """The page's process died."""
        self.seen.crashed = True
        self.steps.add("page_crashed", actor="page")

    def stop(self, limit: str) -> None:
        """A limit was passed: cut the network; the first limit is the one that is told."""
        if self.seen.limit is None:
            self.seen.limit = limit
            self.steps.add("limit_reached", limit=limit)
            self.ledger.stop(limit)

    def peer_of(self, url: str) -> str | None:
        """The address that was dialled for a URL."""
        target = target_of(url)
        return self.ledger.peer_of(target) if target else None


def target_of(url: str) -> Target | None:
    """Host and port a URL leads to; None for one the proxy would not take either."""
    parts = urlsplit(url)
    try:
        return parse_authority(parts.netloc.rpartition("@")[2], 443 if parts.scheme == "https" else 80)
    except ValueError:
        return None
