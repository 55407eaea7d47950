"""Calls from one service to another: HTTP with the caller's own signed token, problems passed on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self

import httpx

from services.common.identity import Claims, TokenIssuer, system_claims
from services.common.problems import Problem
from services.common.settings import Settings

_TIMEOUT = httpx.Timeout(30.0, connect=5.0)
_CLIENT_IP = "x-wangjian-client-ip"


class ServiceClient:
    """A client for `target`, speaking as `caller` or, with `on_behalf`, with a person's own token."""

    def __init__(self, settings: Settings, *, caller: str, target: str) -> None:
        url = settings.service_url(target)
        unix = url.startswith("unix:")
        transport = httpx.AsyncHTTPTransport(uds=url.removeprefix("unix:")) if unix else None
        self._client = httpx.AsyncClient(
            transport=transport, base_url=f"http://{target}" if unix else url, timeout=_TIMEOUT
        )
        self._issuer = TokenIssuer(settings.keys_dir, caller)
        self._claims = system_claims(caller)
        self._target = target

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def _headers(self, on_behalf: Claims | None, given: dict[str, str] | None) -> dict[str, str]:
        token = on_behalf.token if on_behalf else self._issuer.issue(self._claims)
        person = {"x-request-id": on_behalf.request_id, _CLIENT_IP: on_behalf.client_ip} if on_behalf else {}
        known = {name: value for name, value in person.items() if value}
        return {**(given or {}), **known, "authorization": f"Bearer {token}"}

    async def request(
        self,
        method: str,
        path: str,
        *,
        on_behalf: Claims | None = None,
        headers: dict[str, str] | None = None,
        **options: Any,
    ) -> httpx.Response:
        """The answer with a 2xx status. Raises the callee's Problem, or 503 `upstream.unavailable`."""
        try:
            response = await self._client.request(
                method, path, headers=self._headers(on_behalf, headers), **options
            )
        except httpx.TransportError as error:
            raise self._unavailable() from error
        if response.is_success:
            return response
        raise _problem(response)

    @asynccontextmanager
    async def stream(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, **options: Any
    ) -> AsyncIterator[httpx.Response]:
        """A streamed answer with a 2xx status; errors as `request`."""
        try:
            async with self._client.stream(
                method, path, headers=self._headers(None, headers), **options
            ) as response:
                if not response.is_success:
                    await response.aread()
                    raise _problem(response)
                yield response
        except httpx.TransportError as error:
            raise self._unavailable() from error

    def _unavailable(self) -> Problem:
        return Problem(
            "upstream.unavailable",
            503,
            zh=f"内部服务 {self._target} 暂时不可用",
            en=f"the {self._target} service is not available right now",
            todo_zh="请稍后重试;若持续出现,请联系系统管理员",
            todo_en="try again shortly; if it goes on, tell the system administrator",
        )


def _problem(response: httpx.Response) -> Problem:
    try:
        body = response.json()
    except ValueError:
        body = {}
    return Problem.from_document(body if isinstance(body, dict) else {}, response.status_code)
