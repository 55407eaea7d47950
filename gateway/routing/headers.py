"""Pure rules on headers: what goes in to a service, what comes out, and the security headers on everything.

What goes in is a list of names that are let through, not of names that are stopped: nothing a client writes
can pose as ours (ASVS 5.0 V4.1.3, V15.3.4). Sources: RFC 9110 §7.6.1 (hop by hop), CSP level 3.
"""

from collections.abc import Iterable
from typing import Final, Literal

Pairs = list[tuple[bytes, bytes]]
Kind = Literal["api", "page", "asset", "open", "verification"]

FORWARDED_IN: Final = frozenset(
    {
        b"accept", b"accept-encoding", b"accept-language", b"content-type", b"content-length", b"range",
        b"if-range", b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since",
        b"last-event-id", b"user-agent", b"idempotency-key",
    }
)  # fmt: skip
HOP_BY_HOP: Final = frozenset(
    {
        b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection",
        b"te", b"trailer", b"transfer-encoding", b"upgrade",
    }
)  # fmt: skip
# Written by the door alone; whatever a service answers under these names is dropped.
_OURS: Final = frozenset(
    {
        b"server", b"date", b"x-request-id", b"strict-transport-security", b"x-frame-options",
        b"referrer-policy", b"permissions-policy", b"cross-origin-opener-policy", b"x-content-type-options",
    }
)  # fmt: skip

CONSOLE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' blob:; font-src 'self'; connect-src 'self'; manifest-src 'self'; "
    "form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'; frame-src 'none'; object-src 'none'; report-uri /api/csp-reports"
)
API_POLICY: Final = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

_EVERYWHERE: Final[Pairs] = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (
        b"permissions-policy",
        b"accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), "
        b"microphone=(), midi=(), payment=(), usb=()",
    ),
]
_HSTS: Final = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
_SAME_ORIGIN: Final = (b"cross-origin-resource-policy", b"same-origin")
_NO_STORE: Final = (b"cache-control", b"no-store")


def for_service(headers: Iterable[tuple[bytes, bytes]], own: dict[str, str]) -> list[tuple[str, str]]:
    """The request headers a service gets: those let through, and the door's own."""
    through = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in headers if k in FORWARDED_IN]
    return through + list(own.items())


def from_service(headers: Iterable[tuple[bytes, bytes]]) -> Pairs:
    """The answer's headers that may leave: not hop by hop, no cookies (services keep no sessions), none of
    ours.
    """
    pairs = [(k.lower(), v) for k, v in headers]
    return [(k, v) for k, v in pairs if k not in HOP_BY_HOP and k not in _OURS and k != b"set-cookie"]


def secured(headers: Iterable[tuple[bytes, bytes]], *, kind: Kind, https: bool, request_id: str) -> Pairs:
    """An answer's headers with the security headers.

    The verification page brings its own policy for each of its files. A service's own policy stays when it is
    a sandbox, which is stricter than ours (captured content); a service's Cache-Control and CORP stay only on
    open paths (immutable tiles of the log).
    """
    kept, sandboxed, cached, placed = _sorted_out(headers, kind)
    pairs = [*kept, *_EVERYWHERE, (b"x-request-id", request_id.encode())]
    if not sandboxed:
        policy = CONSOLE_POLICY if kind in {"page", "asset"} else API_POLICY
        pairs.append((b"content-security-policy", policy.encode()))
    if not cached:
        pairs.append(_NO_STORE)
    if not placed:
        pairs.append(_SAME_ORIGIN)
    if https:
        pairs.append(_HSTS)
    return pairs


def _sorted_out(headers: Iterable[tuple[bytes, bytes]], kind: Kind) -> tuple[Pairs, bool, bool, bool]:
    kept: Pairs = []
    sandboxed = cached = placed = False
    for name, value in headers:
        if name in _OURS:
            continue
        if name == b"content-security-policy":
            ours = kind == "verification"
            if not ours and (kind != "api" or not _is_sandbox(value)):
                continue
            sandboxed = True
        elif name == b"cache-control":
            if kind == "api":
                continue
            cached = True
        elif name == b"cross-origin-resource-policy":
            if kind != "open":
                continue
            placed = True
        kept.append((name, value))
    return kept, sandboxed, cached, placed


def _is_sandbox(policy: bytes) -> bool:
    """A policy that sandboxes without a token that would give scripts or the origin back."""
    for directive in policy.decode("latin-1").lower().split(";"):
        words = directive.split()
        if words and words[0] == "sandbox":
            return not set(words) & {"allow-scripts", "allow-same-origin"}
    return False
