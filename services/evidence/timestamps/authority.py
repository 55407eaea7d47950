"""One authority as asked over HTTP (RFC 3161 §3.4): a kept-open connection, its breaker, what it last did."""

import asyncio
import time
from dataclasses import dataclass, replace
from datetime import datetime

import aiohttp
from asn1crypto import tsp

from services.common.clock import utc_now
from services.evidence.timestamps.answers import (
    DIGEST_OIDS,
    AnswerChecker,
    Checked,
    Question,
    RefusedAnswerError,
)
from services.evidence.timestamps.breaker import Breaker
from services.evidence.timestamps.clock import Sighting
from services.evidence.timestamps.rules import PinnedAuthority

LIMIT_SECONDS = 5.0
_CONNECT_SECONDS = 2.0
_LIMIT_BYTES = 256 * 1024
_HEADERS = {"content-type": "application/timestamp-query", "accept": "application/timestamp-reply"}


class AwayError(Exception):
    """No answer: refused, too slow, or an HTTP error."""


@dataclass(frozen=True)
class Stamp:
    """A checked time stamp: the authority, its operator, the DER response and the time it states.

    path: the `tst-N.path.json` document when the response is over a batch. delta_ms: genTime minus the own
    clock half-way between question and answer, a second witness of that clock; uncertain by accuracy_ms and
    round_trip_ms (and by 1,000 ms where the authority states whole seconds). valid_until: of its certificate.
    """

    authority: str
    operator: str
    response: bytes
    time: datetime
    path: bytes | None = None
    delta_ms: float | None = None
    round_trip_ms: float | None = None
    accuracy_ms: float = 0.0
    valid_until: datetime | None = None


@dataclass(frozen=True)
class Record:
    """What an authority last did, for the screens and the health page."""

    answered_at: datetime | None = None
    failed_at: datetime | None = None
    failure: str | None = None
    delta_ms: float | None = None
    sighting: Sighting | None = None


def request_bytes(asked: Question) -> bytes:
    """The DER TimeStampReq of a question, asking for the certificate."""
    algorithm = {"algorithm": DIGEST_OIDS[asked.algorithm]}
    fields = {
        "version": "v1",
        "message_imprint": {"hash_algorithm": algorithm, "hashed_message": asked.digest},
        "cert_req": True,
    }
    if asked.nonce is not None:
        fields["nonce"] = asked.nonce
    return bytes(tsp.TimeStampReq(fields).dump())


class AuthorityClient:
    """Asks one authority. url: `http(s)://…` or `unix:/path`."""

    def __init__(self, url: str, pinned: PinnedAuthority, limit_seconds: float = LIMIT_SECONDS) -> None:
        self._unix = url.removeprefix("unix:") if url.startswith("unix:") else None
        self._url = "http://tsa/" if self._unix else url
        self.pinned, self._checker = pinned, AnswerChecker(pinned)
        self._limit = limit_seconds
        self._session: aiohttp.ClientSession | None = None
        self.breaker, self.record = Breaker(), Record()

    async def close(self) -> None:
        """Close the connections."""
        if self._session:
            await self._session.close()
            self._session = None

    def state(self) -> dict[str, str | float | None]:
        """{authority, operator, state, answered_at, failed_at, failure, delta_ms, clock_excess_ms}."""
        seen = self.record
        return {
            "authority": self.pinned.name,
            "operator": self.pinned.operator,
            "state": self.breaker.state(time.monotonic()),
            "answered_at": seen.answered_at.isoformat() if seen.answered_at else None,
            "failed_at": seen.failed_at.isoformat() if seen.failed_at else None,
            "failure": seen.failure,
            "delta_ms": seen.delta_ms,
            "clock_excess_ms": seen.sighting.excess_ms if seen.sighting else None,
        }

    async def ask(self, asked: Question) -> Stamp:
        """The checked stamp. Raises AwayError or RefusedAnswerError; the breaker learns of either."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._limit):
                stamp = await self._ask(asked)
        except (aiohttp.ClientError, OSError, TimeoutError, AwayError) as error:
            self._failed(time.monotonic() - began, f"{type(error).__name__}: {error}")
            raise AwayError(self.record.failure) from error
        except RefusedAnswerError as error:
            self._failed(0.0, str(error))
            raise
        except asyncio.CancelledError:
            self.breaker.abandoned()
            raise
        self.breaker.succeeded()
        self.record = Record(utc_now(), self.record.failed_at, None, stamp.delta_ms, _sighting(stamp))
        return stamp

    def _failed(self, took: float, reason: str) -> None:
        self.breaker.failed(took, time.monotonic())
        self.record = replace(self.record, failed_at=utc_now(), failure=reason[:300])

    async def _ask(self, asked: Question) -> Stamp:
        body = asked.request or request_bytes(asked)
        sent = utc_now(), time.monotonic()
        try:
            response = await self._post(body)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            if isinstance(error, aiohttp.ClientConnectorError):
                raise
            # A kept connection that the other side had closed; asking twice does no harm.
            sent = utc_now(), time.monotonic()
            response = await self._post(body)
        return self._stamp(response, self._checker.check(response, asked), *sent)

    async def _post(self, body: bytes) -> bytes:
        if self._session is None:
            connector = aiohttp.UnixConnector(self._unix) if self._unix else aiohttp.TCPConnector(limit=32)
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS)
            self._session = aiohttp.ClientSession(connector=connector, timeout=timeout)
        async with self._session.post(
            self._url, data=body, headers=_HEADERS, allow_redirects=False
        ) as answer:
            if answer.status != 200:
                raise AwayError(f"HTTP {answer.status}")
            content = bytearray()
            async for block in answer.content.iter_any():
                content += block
                if len(content) > _LIMIT_BYTES:
                    raise RefusedAnswerError("answer too long")
        return bytes(content)

    def _stamp(self, response: bytes, checked: Checked, sent_at: datetime, sent: float) -> Stamp:
        round_trip = time.monotonic() - sent
        own = sent_at.timestamp() + round_trip / 2
        return Stamp(
            authority=self.pinned.name,
            operator=self.pinned.operator,
            response=response,
            time=checked.time,
            delta_ms=round((checked.time.timestamp() - own) * 1000, 3),
            round_trip_ms=round(round_trip * 1000, 3),
            accuracy_ms=checked.accuracy_ms,
            valid_until=self._checker.valid_until,
        )


def _sighting(stamp: Stamp) -> Sighting:
    whole = stamp.time.microsecond == 0
    return Sighting(
        utc_now(), stamp.delta_ms or 0.0, stamp.accuracy_ms, stamp.round_trip_ms or 0.0, whole=whole
    )
