"""Items and their seals turned into what the screens show (pure)."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from services.common.clock import rfc3339
from services.evidence.items.models import EvidenceItem
from services.evidence.items.rules import predicate_of
from services.evidence.items.schemas import (
    ArtefactOut,
    ItemOut,
    ItemRow,
    PackageOut,
    RequiredOut,
    SealsOut,
)
from services.evidence.renewals.schemas import RenewalOut
from services.evidence.retention.schemas import RetentionOut


def row(item: EvidenceItem) -> ItemRow:
    """The item as a row of a list."""
    return ItemRow(**_common(item))


def _common(item: EvidenceItem) -> dict[str, Any]:
    return {
        "id": item.id,
        "evidence_no": item.evidence_no if item.stage == "sealed" else None,
        "stage": item.stage,
        "title": item.title,
        "requested_url": item.requested_url,
        "final_url": item.final_url,
        "http_status": item.http_status,
        "outcome": item.outcome,
        "captured_at": rfc3339(item.captured_at),
        "signed_at": rfc3339(item.created_at),
        "sealed_at": rfc3339(item.sealed_at) if item.sealed_at else None,
        "ordered_by": item.ordered_by,
        "org_code": item.org_code,
        "region_code": item.region_code,
    }


def detail(
    item: EvidenceItem,
    origin: str,
    receipts: Sequence[Mapping[str, Any]],
    required: RequiredOut,
    retention: RetentionOut | None,
    renewal: RenewalOut | None,
) -> ItemOut:
    """The whole item; receipts: what the custodians' say, already checked."""
    predicate = predicate_of(item.envelope)
    completeness = predicate["completeness"]
    return ItemOut(
        **_common(item),
        package=PackageOut(sha256=item.package_sha256, sm3=item.package_sm3, bytes=item.package_bytes),
        facts=_facts(predicate),
        reason=completeness.get("reason"),
        missing=completeness.get("missing") or [],
        artefacts=[
            ArtefactOut(**{name: entry[name] for name in ArtefactOut.model_fields})
            for entry in predicate["artifacts"]
        ],
        seals=_seals(item, origin, receipts, required),
        retention=retention,
        renewal=renewal,
        last_error=item.last_error,
    )


def _facts(predicate: Mapping[str, Any]) -> dict[str, Any]:
    network, target = predicate["network"], predicate["target"]
    connections = network.get("connections", [])
    return {
        "dns": network.get("dns", []),
        "connections": connections,
        "blocked": network.get("blocked", []),
        "tls": network.get("tls") or [c["tls"] for c in connections if c.get("tls")],
        "clock": predicate["times"]["clock"],
        "times": {"start": predicate["times"]["start"], "end": predicate["times"]["end"]},
        "environment": predicate["environment"],
        "redirects": target.get("redirects", []),
        "method": predicate["method"],
    }


def _signatures(item: EvidenceItem) -> list[dict[str, Any]]:
    """First the worker's, then the sealing service's; each in every suite of the policy, in its order."""
    signatures = json.loads(item.envelope)["signatures"]
    suites = predicate_of(item.envelope)["policy_id"].rpartition(":")[2].split("+")
    half = len(signatures) // 2
    return [
        {
            "keyid": signature["keyid"],
            "by": "capture-worker" if position < half else "sealing-service",
            "zh": "采集节点" if position < half else "固证服务",
            "suite": suites[position % half] if half == len(suites) else "",
        }
        for position, signature in enumerate(signatures)
    ]


def _seals(
    item: EvidenceItem, origin: str, receipts: Sequence[Mapping[str, Any]], required: RequiredOut
) -> SealsOut:
    times = [
        {
            "authority": stamp.authority,
            "operator": stamp.operator,
            "time": rfc3339(stamp.stamped_at),
            "batch": stamp.path is not None,
        }
        for stamp in item.stamps
    ]
    logged = None
    if item.log_index is not None:
        logged = {"index": item.log_index, "tree_size": item.log_size, "origin": origin}
    return SealsOut(
        signatures=_signatures(item),
        timestamps=times,
        timestamp=times[0] if times else None,
        log=logged,
        custodian=dict(receipts[0]) if receipts else None,
        custodians=[dict(receipt) for receipt in receipts],
        required=required,
    )
