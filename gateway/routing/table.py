"""The route table: what the door lets through, to which service, for whom. Everything else is 404.

A caller must hold at least one of a segment's permissions to reach its service at all; the service then
checks the exact permission and the region of every object itself.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

GATEWAY: Final = "gateway"
_KIB, _MIB = 1024, 1024 * 1024


@dataclass(frozen=True, slots=True)
class Segment:
    """The first part of a path below /api.

    service: who answers; any_of: permissions of which the caller needs one (empty: anyone signed in);
    public: why nobody has to sign in, empty for the rule that everybody does; max_body: bytes of a request's
    body.
    """

    service: str
    any_of: frozenset[str] = frozenset()
    public: str = ""
    max_body: int = _MIB


def _for(service: str, *any_of: str, max_body: int = _MIB) -> Segment:
    return Segment(service, frozenset(any_of), max_body=max_body)


SEGMENTS: Final[dict[str, Segment]] = {
    "captures": _for("crawler", "capture:create", "capture:read"),
    "evidence": _for("evidence", "evidence:read", "evidence:export"),
    "evidence-status": _for("evidence", "system:read"),
    "evidence-store": _for("evidence", "system:read", "store:sweep"),
    "log-keeping": _for("evidence", "integrity:audit", "log:manage", max_body=16 * _KIB),
    "evidence-audits": _for("evidence", "integrity:audit", max_body=16 * _KIB),
    "log": Segment("evidence", public="anyone may check the transparency log (C2SP tiles)"),
    "trust": Segment("evidence", public="the trust file holds public keys and certificates only"),
    "keys": _for("evidence", "key:manage", "system:read", max_body=16 * _KIB),
    "clues": _for("casework", "clue:read", "clue:create", "clue:assign", "clue:sign"),
    "cases": _for("casework", "case:read", "case:write"),
    "regions": _for("registry", "registry:read", "user:manage", "role:grant"),
    "organisations": _for("registry", "registry:read", "user:manage", "role:grant"),
    "subjects": _for("registry", "registry:read", "registry:write"),
    "presences": _for("registry", "registry:read", "registry:write"),
    "imports": _for("registry", "registry:read", "registry:import", max_body=512 * _MIB),
    "platform-reports": _for("registry", "registry:read", "registry:import", max_body=512 * _MIB),
    "duplicates": _for("registry", "registry:read", "registry:import"),
    "claims": _for("registry", "registry:read", "registry:claim", "registry:assign"),
    "verifications": _for("registry", "registry:read", "registry:assign"),
    "tags": _for("registry", "registry:read", "registry:write"),
    "inspections": _for("registry", "registry:read", "registry:write"),
    "searches": _for("registry", "registry:read"),
    "links": _for("registry", "registry:read"),
    "hubs": _for("registry", "registry:read", "registry:judge"),
    "findings": _for("registry", "registry:read"),
    "judgements": _for("registry", "registry:read", "registry:judge"),
    "link-exchange": _for("registry", "registry:exchange", max_body=64 * _MIB),
    "session": _for(GATEWAY, max_body=16 * _KIB),
    "users": _for(GATEWAY, "user:manage", "role:grant", max_body=64 * _KIB),
    "roles": _for(GATEWAY, "user:manage", "role:grant"),
    "audit": _for(GATEWAY, "audit:read"),
    "system": _for(GATEWAY, "system:read"),
    "openapi.json": _for(GATEWAY),
    "csp-reports": Segment(
        GATEWAY, public="browsers report violations of the CSP without a session", max_body=64 * _KIB
    ),
}

# Signing in is the one thing of a protected segment that is done without being signed in.
SIGN_IN: Final = ("POST", "/api/session")
# What a person whose password must be changed first may still reach.
CONFINED: Final = "session"
# Asking these is no activity of the person: a page left open does not keep its session alive.
PASSIVE: Final = frozenset({"/api/session"})

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
# First parts of a path that are never a page of the console.
RESERVED: Final = frozenset({"api", "internal", "health", "metrics"})


@dataclass(frozen=True, slots=True)
class Limit:
    """A rate limit: `rate` as `limits` reads it, counted per source address or per person."""

    name: str
    method: str
    path: re.Pattern[str]
    rate: str
    per: Literal["source", "person"]


LIMITS: Final = (
    Limit("sign-in", "POST", re.compile(r"/api/session"), "60/minute", "source"),
    Limit("password", "POST", re.compile(r"/api/session/password"), "10/minute", "person"),
    Limit("capture", "POST", re.compile(r"/api/captures"), "120/minute", "person"),
    Limit("export", "GET", re.compile(r"/api/evidence/[^/]+/package"), "60/minute", "person"),
    Limit("verification", "POST", re.compile(r"/api/evidence/[^/]+/verification"), "60/minute", "person"),
    Limit("print", "POST", re.compile(r"/api/evidence/[^/]+/custody/printed"), "60/minute", "person"),
    Limit("proof", "GET", re.compile(r"/api/evidence/[^/]+/custody/[^/]+/proof"), "120/minute", "person"),
    Limit(
        "proof-verification", "POST", re.compile(r"/api/evidence/[^/]+/custody/[^/]+/verification"),
        "60/minute", "person",
    ),
    Limit("import", "POST", re.compile(r"/api/imports"), "20/minute", "person"),
    Limit("reveal-subject", "POST", re.compile(r"/api/subjects/[^/]+/reveal"), "60/minute", "person"),
    Limit("reveal-presence", "POST", re.compile(r"/api/presences/[^/]+/reveal"), "60/minute", "person"),
    Limit("csp-report", "POST", re.compile(r"/api/csp-reports"), "60/minute", "source"),
)  # fmt: skip
# Failed sign-ins of one source, whatever the names: first a pause, then a longer one.
FAILURE_RATES: Final = ("20/5minute", "60/hour")

_LIMITED: Final = {(limit.method, limit.path.pattern.split("/")[2]) for limit in LIMITS}


def segment_of(path: str) -> str:
    """The first part of a path below /api; empty when there is none."""
    parts = path.split("/", 3)
    return parts[2] if len(parts) > 2 and parts[1] == "api" else ""


def limits_for(method: str, path: str) -> list[Limit]:
    """The rate limits a request falls under."""
    if (method, segment_of(path)) not in _LIMITED:
        return []
    return [limit for limit in LIMITS if limit.method == method and limit.path.fullmatch(path)]
