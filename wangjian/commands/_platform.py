"""The running platform as a command sees it: its door, with the local operator's token."""

import contextlib
import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx

from services.common.settings import Settings

_TIMEOUT = httpx.Timeout(120.0, connect=5.0)


_LONGEST_WAIT = 60
_ATTEMPTS = 5


class RefusedError(Exception):
    """What ends a command with exit code 2: one clear line."""


class PatientTransport(httpx.HTTPTransport):
    """Waits where the platform asks to (429, a minute at most) and asks again: a loop over many files ends.

    Nothing was done by a request so refused, so asking again does nothing twice.
    """

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The answer; the fifth refusal in a row is given as it is."""
        for _ in range(_ATTEMPTS - 1):
            response = super().handle_request(request)
            wait = response.headers.get("retry-after", "")
            if response.status_code != httpx.codes.TOO_MANY_REQUESTS or not wait.isdigit():
                return response
            if (seconds := int(wait)) > _LONGEST_WAIT:
                return response
            response.close()
            line = f"wangjian: 操作频繁，{seconds} 秒后继续 / too many requests, waiting {seconds} s"
            print(line, file=sys.stderr)
            time.sleep(seconds)
        return super().handle_request(request)


def open_platform(settings: Settings) -> httpx.Client:
    """A client with the local operator's token. Raises RefusedError when there is none."""
    file = settings.home / "operator.token"
    try:
        token = file.read_text().strip()
    except OSError as error:
        raise RefusedError(
            f"平台没有运行过,或无权读取 {file};请先 wangjian up / no operator token: start the platform first"
        ) from error
    return httpx.Client(
        base_url=settings.gateway_url or f"http://127.0.0.1:{settings.port}",
        headers={"authorization": f"Bearer {token}"},
        timeout=_TIMEOUT,
        transport=PatientTransport(),
    )


def say(response: httpx.Response) -> str:
    """What a refusal says and what can be done, in one line."""
    try:
        problem = json.loads(response.read())
    except ValueError:
        problem = {}
    zh = problem.get("detail") or "平台未能应答"
    en = problem.get("detail_en") or f"HTTP {response.status_code}"
    todo = f"({problem['todo']})" if problem.get("todo") else ""
    return f"{zh}{todo} / {en}"


def away(client: httpx.Client) -> RefusedError:
    """The platform does not answer."""
    return RefusedError(f"平台没有应答({client.base_url}),请先 wangjian up / the platform does not answer")


def _checked(response: httpx.Response) -> None:
    """Raise RefusedError with the problem's own words unless the answer is a success."""
    if not response.is_success:
        raise RefusedError(say(response))


@contextlib.contextmanager
def _there(client: httpx.Client) -> Iterator[None]:
    try:
        yield
    except httpx.TransportError as error:
        raise away(client) from error


def ask(client: httpx.Client, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """The JSON object a route answers. Raises RefusedError."""
    with _there(client):
        response = client.request(method, path, json=body)
    _checked(response)
    return dict(response.json())


def lines(client: httpx.Client, path: str, query: dict[str, str] | None = None) -> Iterator[dict[str, Any]]:
    """The JSON lines a route streams. Raises RefusedError."""
    with _there(client), client.stream("GET", path, params=query) as response:
        _checked(response)
        for line in response.iter_lines():
            if line.strip():
                yield json.loads(line)


class Meter:
    """One line on the error stream that is written over; silent where nobody looks."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._width = 0

    def show(self, text: str) -> None:
        """Write it in place of what was there."""
        if self._shown:
            print("\r" + text.ljust(self._width), end="", file=sys.stderr, flush=True)
            self._width = len(text)

    def clear(self) -> None:
        """Leave the line empty."""
        if self._shown and self._width:
            print("\r" + " " * self._width + "\r", end="", file=sys.stderr, flush=True)
            self._width = 0
