"""Logs (JSON lines on stdout), request ids and request metrics."""

import logging
import re
import sys
import time
from typing import TextIO, cast

import structlog
from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.common.ids import new_id

_REQUESTS = Counter("http_requests_total", "Requests answered", ["service", "method", "route", "status"])
_LOST_LINES = Counter("log_lines_lost_total", "Log lines that could not be written")
_SECONDS = Histogram(
    "http_request_duration_seconds",
    "Time to the end of the answer",
    ["service", "method", "route"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60),
)
_REQUEST_ID = re.compile(r"^[A-Za-z0-9-]{8,64}$")


class LossyOutput:
    """Standard output that never fails its writer.

    On a full disk, or with the reader gone, a line is lost and counted; the request it tells of is not.
    """

    def write(self, text: str) -> int:
        """Write a line if it can be written."""
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except (OSError, ValueError):
            _LOST_LINES.inc()
        return len(text)

    def flush(self) -> None:
        """Nothing is held back: `write` has passed it on."""


def configure_logging(service: str) -> None:
    """Send structured logs to stdout, one JSON object a line, with the service's name."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, LossyOutput())),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    structlog.contextvars.bind_contextvars(service=service)


class RequestTelemetry:
    """ASGI middleware: takes or makes the request id, answers it in X-Request-Id, counts and logs."""

    def __init__(self, app: ASGIApp, service: str) -> None:
        self._app, self._service = app, service
        self._log = structlog.get_logger()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wrap one HTTP request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = next((v.decode("latin-1") for k, v in scope["headers"] if k == b"x-request-id"), "")
        request_id = given if _REQUEST_ID.match(given) else new_id()
        scope.setdefault("state", {})["request_id"] = request_id
        began, status = time.perf_counter(), 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            self._observe(scope, request_id, status, time.perf_counter() - began)

    def _observe(self, scope: Scope, request_id: str, status: int, seconds: float) -> None:
        # The route's pattern, never the raw path: paths would make endless label values.
        route = getattr(scope.get("route"), "path", "unmatched")
        _REQUESTS.labels(self._service, scope["method"], route, str(status)).inc()
        _SECONDS.labels(self._service, scope["method"], route).observe(seconds)
        if not route.startswith(("/health", "/metrics")):
            self._log.info(
                "request",
                request_id=request_id,
                method=scope["method"],
                route=route,
                status=status,
                ms=round(seconds * 1000, 1),
            )
