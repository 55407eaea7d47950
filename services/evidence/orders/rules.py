"""How an order is bound by the log before anything is captured."""

import hashlib
import secrets
from dataclasses import dataclass

from services.common.canonical import canonical
from services.common.clock import rfc3339
from services.evidence.orders.schemas import OrderIn


@dataclass(frozen=True)
class LoggedOrder:
    """An order as sealing needs it: its place in the log (None while it waits), and whether sealing began."""

    id: str
    url: str
    purpose: str
    ordered_by: dict[str, str]
    org_code: str
    region_code: str
    log_shard: int | None
    log_index: int | None
    begun: bool


def order_document(order_id: str, order: OrderIn, salt: str | None = None) -> bytes:
    """The order's canonical JSON. The salt keeps the public log from being searched by guessing URLs."""
    return canonical(
        {
            "v": 1,
            "evidence_id": order_id,
            "url": order.url,
            "purpose": order.purpose,
            "ordered_by": order.ordered_by.model_dump(),
            "org_code": order.org_code,
            "region_code": order.region_code,
            "ordered_at": rfc3339(order.moment),
            "salt": salt or secrets.token_hex(16),
        }
    )


def log_entry(order_id: str, document: bytes) -> bytes:
    """The public log's entry for an order: an order without a seal shows as missing by its evidence id."""
    digest = hashlib.sha256(document).hexdigest()
    return canonical({"v": 1, "kind": "order", "evidence_id": order_id, "order_sha256": digest})


def log_ref(order_id: str) -> str:
    """The queue name of an order's log entry."""
    return f"order:{order_id}"
