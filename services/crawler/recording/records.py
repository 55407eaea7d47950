"""Records written of every capture: environment, egress log, steps; and the facts for the manifest."""

import json
from datetime import datetime
from typing import Any

from services.common.clock import utc_now
from services.crawler.egress.ledger import Ledger
from services.crawler.jail.browser import LOCALE, TIMEZONE, JailedBrowser
from services.crawler.recording.certificates import origin_of
from services.crawler.recording.environment import browser_digest, cleanliness, fonts_digest, machine
from services.crawler.recording.exchanges import Exchange
from services.crawler.recording.findings import Findings, Recorded
from services.crawler.recording.reasons import Outcome
from services.crawler.recording.tidy import tidy
from services.crawler.settings import CaptureLimits, get_crawler_settings

EGRESS_PATH = "evidence/egress.jsonl"
ENVIRONMENT_PATH = "evidence/env.json"


def environment_record(jail: JailedBrowser, limits: CaptureLimits, contexts_before: int) -> dict[str, Any]:
    """Machine, browser, jail and the cleanliness checks."""
    settings = get_crawler_settings()
    facts = jail.facts
    return {
        **machine(),
        "browser": {**jail.describe(), "sha256": browser_digest(settings.chromium)},
        "ua_real": facts.user_agent if facts else None,
        "viewport": {"width": limits.width, "height": limits.height, "dpr": 1},
        "locale": LOCALE,
        "tz": TIMEZONE,
        "fonts_sha256": fonts_digest(),
        "proxy": "egress",
        "extensions": "none",
        "cleanliness": cleanliness(jail.environment, contexts_before),
    }


def write_records(found: Findings, outcome: Outcome, started: datetime, clock: dict[str, Any]) -> Recorded:
    """Write env.json, egress.jsonl and steps.jsonl; gives the facts for the manifest."""
    spool, seen = found.spool, found.seen
    rows = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in tidy(found.ledger.rows()))
    spool.write(EGRESS_PATH, "egress", "application/jsonl", rows.encode())
    method = _method(found)
    record = tidy({"clock": clock, **found.environment, "method": method})
    environment = json.dumps(record, ensure_ascii=False, indent=1)
    spool.write(ENVIRONMENT_PATH, "environment", "application/json", environment.encode())
    found.steps.add("outcome", state=outcome.state, reason=outcome.reason.code if outcome.reason else None)
    found.steps.write(spool)
    return Recorded(
        outcome=outcome,
        observed=seen,
        ledger=found.ledger,
        started=started,
        ended=utc_now(),
        clock=clock,
        environment=found.environment,
        method=method,
        steps_head=found.steps.head,
        final_url=found.main.url if found.main else None,
        address_bar=found.text.get("url"),
        title=found.text.get("title", ""),
        redirects=_redirects(found.documents),
        connections=_connections(found.ledger, found.exchanges, found.chains),
        errors=found.errors + ([{"what": "load", "code": seen.net_error}] if seen.net_error else []),
    )


def _method(found: Findings) -> dict[str, Any]:
    """Everything we did to the page or kept from it: the observer's own effect."""
    visit, limits = found.visit, found.limits
    exchanges = visit.recorder.exchanges if visit else None
    picture = found.picture
    return {
        "profile": "page-1",
        "waits": {"load_seconds": limits.load_seconds, "budget_seconds": limits.budget_seconds},
        "scroll": found.seen.scroll,
        "picture": {"height": picture.height, "page_height": picture.page_height, "tiles": picture.tiles}
        if picture
        else None,
        "javascript": "on",
        "service_workers": "blocked",
        "downloads": "kept as bytes, not opened",
        "permissions": "denied",
        "overrides": ["locale", "timezone", "viewport", "documents paused while their headers are read"],
        "init_scripts_sha256": [],
        "bodies": "decoded; text bodies not proven byte-exact are marked x-wangjian-body",
        "reencoded_bodies": sum(1 for e in exchanges.all if e.transcoded) if exchanges else 0,
        "web_sockets": exchanges.web_sockets[:50] if exchanges else [],
        "dialogs": visit.dialogs if visit else [],
        "popups": visit.popups[:50] if visit else [],
        "forbidden": visit.forbidden[:50] if visit else [],
        "download": _download(found),
    }


def _download(found: Findings) -> dict[str, Any] | None:
    download = found.visit.download if found.visit else None
    if download is None:
        return None
    return {"status": download.status, "headers": download.headers, "media_type": download.media_type,
            "bytes": download.bytes, "complete": download.complete}  # fmt: skip


def _redirects(documents: list[Exchange]) -> list[dict[str, Any]]:
    return [
        {"url": d.url, "status": d.status, "location": documents[position + 1].url}
        for position, d in enumerate(documents[:-1])
        if d.redirected
    ][:50]


def _connections(
    ledger: Ledger, exchanges: list[Exchange], chains: dict[str, list[str]]
) -> list[dict[str, Any]]:
    """One row a host, address and port that was really reached, with what TLS showed there."""
    secure: dict[str, dict[str, Any]] = {}
    for exchange in exchanges:
        details = (exchange.response or {}).get("securityDetails")
        if details:
            secure.setdefault(origin_of(exchange.url), details)
    found: dict[tuple[str, int, str], dict[str, Any]] = {}
    for connection in ledger.connections:
        if connection.peer is None:
            continue
        key = (connection.host, connection.port, connection.peer)
        origin = f"https://{connection.target.authority.removesuffix(':443')}"
        found.setdefault(key, {
            "host": connection.host, "ip": connection.peer, "port": connection.port,
            "tls": _tls(secure.get(origin), chains.get(origin)),
        })  # fmt: skip
    return list(found.values())


def _tls(details: dict[str, Any] | None, chain: list[str] | None) -> dict[str, Any] | None:
    if details is None and chain is None:
        return None
    given = details or {}
    return {
        "version": given.get("protocol"),
        "cipher": given.get("cipher"),
        "kx": given.get("keyExchangeGroup") or given.get("keyExchange"),
        "subject": given.get("subjectName"),
        "issuer": given.get("issuer"),
        "chain_sha256": chain or [],
    }
