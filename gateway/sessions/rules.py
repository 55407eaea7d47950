"""Pure decisions about sessions: secrets, time limits, the CSRF token, cross-site requests.

Sources: OWASP ASVS 5.0 V3.3.3 (`__Host-`), V7 (session management), GB/T 22239-2019 8.1.4.1 b (timeout exit).
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal
from urllib.parse import urlsplit

COOKIE: Final = "__Host-wj_session"
SAFE_METHODS: Final = frozenset({"GET", "HEAD"})

Ending = Literal["idle", "absolute"]


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a session may rest and how long it may last at all."""

    idle: timedelta = timedelta(minutes=15)
    absolute: timedelta = timedelta(hours=8)


def new_secret() -> str:
    """A session's (or the operator's) secret: 256 random bits, URL-safe."""
    return secrets.token_urlsafe(32)


def digest_of(secret: str) -> str:
    """What is stored of a secret. A plain SHA-256 is enough: the secret has 256 bits of its own."""
    return hashlib.sha256(secret.encode()).hexdigest()


def csrf_token(secret: str) -> str:
    """The CSRF token of a session: derived from its secret, so it ends with it and needs no storage."""
    return hmac.new(secret.encode(), b"wangjian csrf token", hashlib.sha256).hexdigest()


def csrf_matches(secret: str, given: str) -> bool:
    """Whether the header's token is this session's own, compared in constant time."""
    return hmac.compare_digest(csrf_token(secret).encode(), given.encode())


def ending_of(*, last_seen: datetime, expires: datetime, now: datetime, limits: Limits) -> Ending | None:
    """Why a session is over at `now`; None while it lasts."""
    if now >= expires:
        return "absolute"
    if now - last_seen >= limits.idle:
        return "idle"
    return None


def idle_seconds_left(last_seen: datetime, expires: datetime, now: datetime, limits: Limits) -> int:
    """Whole seconds until the session ends by itself if nothing more is asked."""
    return max(0, int(min(last_seen + limits.idle - now, expires - now).total_seconds()))


def cross_site(*, method: str, host: str, origin: str | None, fetch_site: str | None) -> bool:
    """Whether a browser says that this request was not made by our own pages.

    `Sec-Fetch-Site` may only be `same-origin`, or `none` (typed, bookmarked) for a safe method. An `Origin`
    must name the host the request came to. Programs send neither; for them the CSRF token still has to be
    right.
    """
    if (
        fetch_site is not None
        and fetch_site != "same-origin"
        and not (fetch_site == "none" and method in SAFE_METHODS)
    ):
        return True
    if origin is None:
        return False
    parts = urlsplit(origin)
    return parts.scheme not in {"http", "https"} or parts.netloc.lower() != host.lower()


def set_cookie(secret: str) -> str:
    """The Set-Cookie line for a new session: this host only, no scripts, no other site, gone with the
    browser's end.
    """
    return f"{COOKIE}={secret}; Path=/; Secure; HttpOnly; SameSite=Strict"


def clear_cookie() -> str:
    """The Set-Cookie line that removes the session's cookie."""
    return f"{COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0"


def cookie_secret(header: str) -> str | None:
    """The session's secret in a Cookie header; None without one, or with two (a planted second cookie)."""
    found = [
        value
        for name, _, value in (part.strip().partition("=") for part in header.split(";"))
        if name == COOKIE
    ]
    return found[0] if len(found) == 1 and 20 <= len(found[0]) <= 100 else None
