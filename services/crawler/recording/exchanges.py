"""Requests and answers as the browser reported them, put together from DevTools events. No I/O."""

from dataclasses import dataclass, field
from typing import Any

from services.crawler.recording.bodies import Stored

_HTTP = ("http://", "https://")


@dataclass
class Exchange:
    """One request and, if any came, its answer. A redirect is an exchange of its own, without a body."""

    request_id: str
    url: str
    method: str
    kind: str
    started: float  # seconds since the epoch, the browser's clock
    request_headers: dict[str, str]
    frame: str = ""
    post_data: bytes | None = None
    response: dict[str, Any] | None = None
    response_headers: dict[str, str] | None = None
    received: int = 0  # decoded bytes the browser counted
    body: Stored | None = None
    transcoded: bool = False
    finished: bool = False
    redirected: bool = False
    streamed: bytearray | None = None
    error: str | None = None
    missing: str | None = None  # why the body is not there

    @property
    def status(self) -> int | None:
        """HTTP status of the answer."""
        return int(self.response["status"]) if self.response else None

    @property
    def media_type(self) -> str:
        """Media type of the answer as the browser sees it."""
        return str(self.response.get("mimeType", "")) if self.response else ""


@dataclass
class Exchanges:
    """All exchanges of a capture, in order of their requests."""

    all: list[Exchange] = field(default_factory=list)
    other: int = 0  # data:, blob: and the like: nothing crossed the network
    web_sockets: list[str] = field(default_factory=list)
    _current: dict[str, Exchange] = field(default_factory=dict)
    _extra_requests: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    _extra_responses: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def requested(self, event: dict[str, Any]) -> Exchange | None:
        """Network.requestWillBeSent: a new request; with redirectResponse it also ends the one before."""
        request_id, request = str(event["requestId"]), event["request"]
        if "redirectResponse" in event and request_id in self._current:
            before = self._current[request_id]
            before.response, before.finished, before.redirected = event["redirectResponse"], True, True
        if not str(request["url"]).startswith(_HTTP):
            self.other += 1
            self._current.pop(request_id, None)
            return None
        posted = request.get("postData")
        exchange = Exchange(
            request_id=request_id,
            url=str(request["url"]),
            method=str(request["method"]),
            kind=str(event.get("type", "Other")),
            started=float(event["wallTime"]),
            request_headers={str(k): str(v) for k, v in request["headers"].items()},
            frame=str(event.get("frameId", "")),
            post_data=posted.encode("utf-8", "replace") if isinstance(posted, str) else None,
        )
        self._current[request_id] = exchange
        self.all.append(exchange)
        return exchange

    def responded(self, event: dict[str, Any]) -> Exchange | None:
        """Network.responseReceived."""
        exchange = self._current.get(str(event["requestId"]))
        if exchange:
            exchange.response = event["response"]
        return exchange

    def received(self, event: dict[str, Any]) -> tuple[Exchange | None, int]:
        """Network.dataReceived: decoded bytes arrived."""
        exchange, count = self._current.get(str(event["requestId"])), int(event["dataLength"])
        if exchange:
            exchange.received += count
        return exchange, count

    def ended(self, event: dict[str, Any]) -> Exchange | None:
        """Network.loadingFinished and Network.loadingFailed."""
        exchange = self._current.get(str(event["requestId"]))
        if exchange:
            exchange.finished = True
            exchange.error = event.get("errorText") or event.get("blockedReason")
        return exchange

    def extra_request(self, event: dict[str, Any]) -> None:
        """Network.requestWillBeSentExtraInfo: the headers really sent."""
        self._extra_requests.setdefault(str(event["requestId"]), []).append(event["headers"])

    def extra_response(self, event: dict[str, Any]) -> None:
        """Network.responseReceivedExtraInfo: the headers really received."""
        self._extra_responses.setdefault(str(event["requestId"]), []).append(event)

    def settle(self) -> None:
        """Put the true headers where they belong. They come in order of the hops, but at any time."""
        hops: dict[str, list[Exchange]] = {}
        for exchange in self.all:
            hops.setdefault(exchange.request_id, []).append(exchange)
        for request_id, chain in hops.items():
            sent, got = self._extra_requests.get(request_id, []), self._extra_responses.get(request_id, [])
            for position, exchange in enumerate(chain):
                if position < len(sent):
                    exchange.request_headers = {str(k): str(v) for k, v in sent[position].items()}
                # Early hints (103) have extra info of their own: match by status, in order.
                match = next((g for g in got if g.get("statusCode") == exchange.status), None)
                if match:
                    got.remove(match)
                    exchange.response_headers = {str(k): str(v) for k, v in match["headers"].items()}

    def current(self, request_id: str) -> Exchange | None:
        """The exchange a request id stands for now (its last hop)."""
        return self._current.get(request_id)

    def answered(self, method: str, url: str) -> Exchange | None:
        """An exchange with this request that has an answer."""
        return next((e for e in self.all if e.url == url and e.method == method and e.response), None)

    def documents(self, frame: str) -> list[Exchange]:
        """The documents asked for in one frame, in order; a redirect is one of them."""
        return [e for e in self.all if e.kind == "Document" and e.frame == frame]
