"""The kill test: captures under way, any process killed, and still each order has exactly one end.

Run by tests/faults/test_faults_kill.py in a small and, under `make test-all`, in the full size.
"""

import contextlib
import json
import os
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field

import httpx

from tests.stack import Stack, state_of

END_STATES = {"sealed", "failed", "cancelled"}


def client(stack: Stack) -> httpx.Client:
    """The API as the local operator sees it."""
    token = (stack.home / "operator.token").read_text().strip()
    return httpx.Client(
        base_url=f"{stack.base_url}/api", headers={"authorization": f"Bearer {token}"}, timeout=30
    )


def listing_urls(stack: Stack, count: int) -> list[str]:
    """Different item pages of the demo market."""
    from infra.demo_market.catalogue import listings

    return [stack.market_url + item.path for item in listings() if not item.shop.is_site][:count]


def order(http: httpx.Client, url: str, key: str, patience: float = 90) -> str:
    """Order a capture, asking again with the same key while the platform recovers."""
    until = time.monotonic() + patience
    while True:
        try:
            answer = http.post(
                "/captures", json={"url": url, "reason": "kill test"}, headers={"idempotency-key": key}
            )
            if answer.status_code == 202:
                return str(answer.json()["id"])
            if answer.status_code < 500 and answer.status_code != 429:
                raise AssertionError(answer.text)
        except httpx.TransportError:
            pass  # the gateway itself may be the one that was killed: ask again below
        if time.monotonic() > until:
            raise AssertionError(f"no order accepted for {patience} s: {url}")
        time.sleep(0.5)


@dataclass
class Outcome:
    """What became of all orders."""

    captures: dict[str, dict[str, object]] = field(default_factory=dict)
    evidence: dict[str, dict[str, object]] = field(default_factory=dict)
    killed: Counter[str] = field(default_factory=Counter)


def kill_one(stack: Stack, choice: random.Random, among: list[str]) -> str | None:
    """Kill -9 one running child, by the names `wangjian status` gives."""
    with contextlib.suppress(json.JSONDecodeError):
        children = state_of(stack)["processes"]
        assert isinstance(children, list)
        running = [child for child in children if child.get("pid") and child["name"] in among]
        if running:
            child = choice.choice(running)
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child["pid"]), signal.SIGKILL)
                return str(child["name"])
    return None


def wait_for_ends(http: httpx.Client, ids: list[str], patience: float) -> dict[str, dict[str, object]]:
    """Every order in an end state, or an assertion error that names those that hang."""
    until = time.monotonic() + patience
    seen: dict[str, dict[str, object]] = {}
    while time.monotonic() < until:
        for capture in ids:
            if seen.get(capture, {}).get("state") in END_STATES:
                continue
            with contextlib.suppress(httpx.TransportError):
                answer = http.get(f"/captures/{capture}")
                if answer.status_code == 200:
                    seen[capture] = answer.json()
        if all(seen.get(capture, {}).get("state") in END_STATES for capture in ids):
            return seen
        time.sleep(1)
    hanging = {c: seen.get(c, {}).get("state") for c in ids if seen.get(c, {}).get("state") not in END_STATES}
    raise AssertionError(f"orders without an end after {patience} s: {hanging}")


def all_evidence(http: httpx.Client) -> dict[str, dict[str, object]]:
    """Every evidence item, by id; an item that shows twice is an error."""
    items: dict[str, dict[str, object]] = {}
    cursor: str | None = None
    while True:
        page = http.get("/evidence", params={"limit": 100, **({"cursor": cursor} if cursor else {})}).json()
        for item in page["items"]:
            assert item["id"] not in items
            items[item["id"]] = item
        cursor = page["next_cursor"]
        if not cursor:
            return items
