"""What goes into rows and packages while an item is sealed (pure)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.common.canonical import canonical
from services.common.dsse import Envelope
from services.evidence.intakes.rules import Received
from services.evidence.items.handover import Copy
from services.evidence.items.models import EvidenceItem
from services.evidence.items.rules import predicate_of
from services.evidence.log.notes import Checkpoint, parse_body, split_note
from services.evidence.orders.rules import LoggedOrder
from services.evidence.package.layout import Member, Part
from services.evidence.package.wacz import (
    CONSISTENCY,
    ENTRY,
    ENVELOPE,
    PROOF,
    batch_path,
    build,
    stamp_path,
)
from services.evidence.timestamps.client import Stamp as FreshStamp
from services.evidence.verification.verifier import moment

NEW = (
    *("id", "org_code", "region_code", "ordered_by", "stage", "envelope", "requested_url", "final_url"),
    *("title", "http_status", "outcome", "captured_at"),
)
"""The columns of a new item."""


def envelope_bytes(envelope: Envelope) -> bytes:
    """The envelope as it stands in the package: RFC 8785 JSON."""
    plain: dict[str, Any] = {**envelope}
    return canonical(plain)


def members(artefacts: Sequence[Received]) -> list[Member]:
    """An intake's artefacts as files of the package, in byte order of their paths."""
    found = [Member(row.path, row.bytes, row.crc32, row.sha256) for row in artefacts]
    return sorted(found, key=lambda member: member.path)


def stamp_rows(evidence_id: str, stamps: Sequence[FreshStamp]) -> list[dict[str, Any]]:
    """Time stamps as rows, in the authorities' order."""
    return [
        {
            "evidence_id": evidence_id,
            "position": position,
            "authority": stamp.authority,
            "operator": stamp.operator,
            "response": stamp.response,
            "path": stamp.path,
            "stamped_at": stamp.time,
            "delta_ms": stamp.delta_ms,
            "valid_until": stamp.valid_until,
        }
        for position, stamp in enumerate(stamps)
    ]


def receipt_rows(evidence_id: str, copies: Sequence[Copy]) -> list[dict[str, Any]]:
    """Copies as rows."""
    return [
        {
            "evidence_id": evidence_id,
            "custodian": copy.custodian,
            "operator": copy.operator,
            "receipt": copy.receipt,
            "stored_at": moment(copy.stated["stored_at"]),
        }
        for copy in copies
    ]


def lay_out(
    item: EvidenceItem, artefacts: list[Member], *, entry: bytes, proof: str, consistency: bytes
) -> list[Part]:
    """The package's parts. proof: the entry's tlog-proof; consistency: `log.consistency.json`."""
    proofs = {ENVELOPE: item.envelope, ENTRY: entry, PROOF: proof.encode(), CONSISTENCY: consistency}
    proofs |= {stamp_path(stamp.position): stamp.response for stamp in item.stamps}
    proofs |= {batch_path(s.position): s.path for s in item.stamps if s.path is not None}
    return build(predicate_of(item.envelope), artefacts, proofs)


def preview(predicate: Mapping[str, Any], envelope: bytes) -> bytes:
    """What of a package is known as soon as its manifest is signed: a ZIP of the envelope alone."""
    return b"".join(part.data or b"" for part in build(predicate, [], {ENVELOPE: envelope}))


@dataclass(frozen=True)
class Draft:
    """A new item, checked and signed: its order, what came, its envelope and its manifest's predicate."""

    order: LoggedOrder
    artefacts: list[Received]
    envelope: Envelope
    predicate: Mapping[str, Any]


def new_item(draft: Draft) -> EvidenceItem:
    """The row of a new item."""
    order = draft.order
    return EvidenceItem(
        id=order.id,
        org_code=order.org_code,
        region_code=order.region_code,
        ordered_by=order.ordered_by,
        **item_values(draft.predicate, envelope_bytes(draft.envelope)),
    )


def item_values(predicate: Mapping[str, Any], envelope: bytes) -> dict[str, Any]:
    """A new item's columns as the manifest gives them."""
    target = predicate["target"]
    return {
        "stage": "signed",
        "envelope": envelope,
        "requested_url": target["requested_url"],
        "final_url": target.get("final_url"),
        "title": str(target.get("title") or ""),
        "http_status": target.get("http_status"),
        "outcome": predicate["completeness"]["state"],
        "captured_at": moment(predicate["times"]["end"]),
    }


def beacon_of(envelope: bytes) -> Checkpoint:
    """The head of the checkpoint a signed manifest quotes."""
    return parse_body(split_note(predicate_of(envelope)["times"]["beacon_checkpoint"])[0])
