"""Pure decisions about a request before anything is done with it: is it well formed, is it ours, where is it
from.

Sources: RFC 9112 §6.3 (message length, smuggling), RFC 9110 §7.4 (misdirected requests), OWASP ASVS 5.0
V3.5, V4.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from gateway.routing.table import METHODS
from gateway.sessions.rules import SAFE_METHODS, cross_site, csrf_matches
from gateway.settings import Network
from services.common.problems import Problem

UNVERIFIED: Final = "unverified"
_MAX_TARGET: Final = 8 * 1024
_MAX_HEADERS: Final = 32 * 1024
_LOCAL_HOSTS: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})
_FORWARDING: Final = (b"x-forwarded-for", b"forwarded", b"x-real-ip", b"x-forwarded-host", b"via")
_ENCODED_SEPARATOR: Final = re.compile(rb"%(2f|5c|00)", re.IGNORECASE)
_DIGITS: Final = re.compile(r"[0-9]{1,18}")


@dataclass(slots=True)
class Ask:
    """The facts of one request."""

    method: str
    path: str
    raw_path: bytes
    query: bytes
    headers: dict[bytes, bytes]
    host: str
    client_ip: str
    forwarded: bool
    https: bool
    request_id: str

    def header(self, name: bytes) -> str | None:
        """A header's value as text; None when it is missing."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    @property
    def length(self) -> int:
        """The announced length of the body; 0 without one."""
        return int(self.headers.get(b"content-length", b"0"))

    @property
    def has_body(self) -> bool:
        """Whether a body follows."""
        return b"transfer-encoding" in self.headers or self.length > 0


def read(scope: Any, request_id: str, trusted: list[Network]) -> Ask:
    """The facts of an ASGI scope. Raises Problem 400 for a request that two readers could understand
    differently.
    """
    names = [name for name, _ in scope["headers"]]
    headers = dict(scope["headers"])
    _refuse_ambiguous(names, headers)
    client_ip, https, forwarded = _where_from(scope, headers, trusted)
    return Ask(
        method=scope["method"],
        path=scope["path"],
        raw_path=scope.get("raw_path") or scope["path"].encode(),
        query=scope["query_string"],
        headers=headers,
        host=headers.get(b"host", b"").decode("latin-1").lower(),
        client_ip=client_ip,
        forwarded=forwarded,
        https=https,
        request_id=request_id,
    )


def _refuse_ambiguous(names: list[bytes], headers: dict[bytes, bytes]) -> None:
    single = (
        b"host",
        b"content-length",
        b"transfer-encoding",
        b"authorization",
        b"cookie",
        b"origin",
        b"content-type",
    )
    if any(names.count(name) > 1 for name in single) or b"host" not in headers:
        raise malformed("duplicate_header")
    length, coding = headers.get(b"content-length"), headers.get(b"transfer-encoding")
    if coding is not None and (length is not None or coding.strip().lower() != b"chunked"):
        raise malformed("message_length")
    if length is not None and not _DIGITS.fullmatch(length.decode("latin-1")):
        raise malformed("content_length")
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise Problem(
            "request.encoding", 415, zh="不接受压缩的请求正文", en="compressed request bodies are not taken"
        )


def _where_from(scope: Any, headers: dict[bytes, bytes], trusted: list[Network]) -> tuple[str, bool, bool]:
    """The client's address, whether it speaks TLS, and whether somebody forwarded the request.

    uvicorn, unless told not to, writes what any process on this machine claims in X-Forwarded-For over the
    real peer. Without a proxy we trust that shows as a peer that is also in the header: nobody's address.
    """
    peer = (scope.get("client") or ("", 0))[0]
    https = scope.get("scheme") == "https"
    forwarded = any(name in headers for name in _FORWARDING)
    if not forwarded:
        return peer, https and b"x-forwarded-proto" not in headers, False
    hops = [hop.strip() for hop in headers.get(b"x-forwarded-for", b"").decode("latin-1").split(",")]
    if not _within(peer, trusted):
        return (UNVERIFIED if _names(hops, peer) else peer), False, True
    https = headers.get(b"x-forwarded-proto", b"").strip().lower() == b"https"
    for hop in reversed(hops):
        if not _is_address(hop):
            break
        peer = hop
        if not _within(hop, trusted):
            break
    return peer, https, True


def _names(hops: list[str], peer: str) -> bool:
    """Whether the peer is one of the hops, which may carry a port or brackets."""
    return any(hop == peer or hop.rsplit(":", 1)[0].strip("[]") == peer for hop in hops)


def _is_address(value: str) -> bool:
    try:
        ip_address(value)
    except ValueError:
        return False
    return True


def _within(address: str, networks: Iterable[Network]) -> bool:
    return _is_address(address) and any(ip_address(address) in network for network in networks)


def is_local(ask: Ask) -> bool:
    """Whether a request comes from this machine itself, not through anything that forwards."""
    return not ask.forwarded and _is_address(ask.client_ip) and ip_address(ask.client_ip).is_loopback


def refuse_malformed(ask: Ask) -> None:
    """Raise Problem for a method, path or size the door does not take."""
    if ask.method not in METHODS:
        raise Problem(
            "request.method", 405, zh="不支持的请求方法", en="this method is not supported",
            headers={"Allow": ", ".join(sorted(METHODS))},
        )  # fmt: skip
    if len(ask.raw_path) + len(ask.query) > _MAX_TARGET:
        raise Problem("request.too_long", 414, zh="地址过长", en="the address is too long")
    if sum(len(k) + len(v) for k, v in ask.headers.items()) > _MAX_HEADERS:
        raise Problem(
            "request.headers_too_large", 431, zh="请求头过大", en="the request's headers are too large"
        )
    decoded = unquote_to_bytes(ask.raw_path)
    if (
        not ask.raw_path.startswith(b"/")
        or _ENCODED_SEPARATOR.search(ask.raw_path)
        or b"\\" in decoded
        or b"//" in decoded
        or any(byte < 0x20 or byte == 0x7F for byte in decoded)
        or any(part in {b".", b".."} for part in decoded.split(b"/"))
    ):
        raise malformed("path")


def refuse_foreign_host(ask: Ask, public_origins: list[str]) -> None:
    """Raise Problem 421 when the request was meant for another host (DNS rebinding: a page's name led to
    us).
    """
    name = ask.host.rsplit(":", 1)[0] if not ask.host.endswith("]") else ask.host
    if name in _LOCAL_HOSTS or any(origin.split("://", 1)[1] == ask.host for origin in public_origins):
        return
    raise Problem(
        "request.misdirected",
        421,
        zh="此地址不是本系统的服务地址",
        en="this server does not answer under that host name",
        todo_zh="请使用系统公布的网址；管理员可通过 WANGJIAN_PUBLIC_ORIGINS 设置",
        todo_en="use the published address; administrators set it with WANGJIAN_PUBLIC_ORIGINS",
    )


def refuse_cross_site(ask: Ask) -> None:
    """Raise Problem 403 when a browser says the request comes from another site's page."""
    if cross_site(
        method=ask.method,
        host=ask.host,
        origin=ask.header(b"origin"),
        fetch_site=ask.header(b"sec-fetch-site"),
    ):
        raise Problem(
            "request.cross_site",
            403,
            zh="拒绝来自其他网站的请求",
            en="requests from other sites are refused",
            todo_zh="请在本系统的页面中操作",
            todo_en="use this system's own pages",
        )


def refuse_forged(ask: Ask, secret: str) -> None:
    """Raise Problem 403 when a changing request does not carry its session's CSRF token."""
    if ask.method in SAFE_METHODS:
        return
    if not csrf_matches(secret, ask.header(b"x-csrf-token") or ""):
        raise Problem(
            "request.csrf",
            403,
            zh="请求缺少有效的防伪令牌",
            en="the request lacks the session's CSRF token",
            todo_zh="请刷新页面后重试",
            todo_en="reload the page and try again",
        )


def malformed(what: str) -> Problem:
    """400 for a request that is not well formed."""
    return Problem(
        "request.malformed",
        400,
        zh="请求格式不正确",
        en=f"the request is not well formed ({what})",
        extra={"what": what},
    )


def too_large(limit: int) -> Problem:
    """413 for a body beyond a segment's bound (bytes)."""
    return Problem(
        "request.too_large",
        413,
        zh=f"提交的内容超过上限 {limit // 1024} KiB",
        en=f"the request's body is larger than {limit // 1024} KiB",
        todo_zh="请拆分后提交",
        todo_en="send it in smaller parts",
        extra={"limit_bytes": limit},
    )
