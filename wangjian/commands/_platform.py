"""Calls to the running platform as the local operator."""

from typing import Any

import httpx

from services.common.settings import Settings

_TIMEOUT = httpx.Timeout(30.0, connect=5.0)


class RefusedError(Exception):
    """What ends a command with exit code 2: one clear line."""


def client(settings: Settings) -> httpx.Client:
    """A client with the local operator's token. Raises RefusedError when there is none."""
    try:
        token = (settings.home / "operator.token").read_text().strip()
    except OSError as error:
        raise RefusedError(
            f"平台没有运行过,或无权读取 {settings.home / 'operator.token'};请先 wangjian up"
            " / no operator token: start the platform first"
        ) from error
    return httpx.Client(
        base_url=settings.gateway_url or f"http://127.0.0.1:{settings.port}",
        headers={"authorization": f"Bearer {token}"},
        timeout=_TIMEOUT,
    )


def say(response: httpx.Response) -> str:
    """What a refusal says and what can be done, in one line."""
    try:
        problem = response.json()
    except ValueError:
        problem = {}
    zh, en = (
        problem.get("detail") or "平台未能应答",
        problem.get("detail_en") or f"HTTP {response.status_code}",
    )
    todo = f"({problem['todo']})" if problem.get("todo") else ""
    return f"{zh}{todo} / {en}"


def call(platform: httpx.Client, method: str, path: str, **options: Any) -> dict[str, Any]:
    """The JSON answer. Raises RefusedError when the platform is away or refuses."""
    try:
        answer = platform.request(method, path, **options)
    except httpx.TransportError as error:
        raise away(platform) from error
    if not answer.is_success:
        raise RefusedError(say(answer))
    return dict(answer.json())


def away(platform: httpx.Client) -> RefusedError:
    """The platform does not answer."""
    return RefusedError(f"平台没有运行({platform.base_url}),请先 wangjian up / the platform is not running")
