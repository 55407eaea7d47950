"""The capture's manifest: an in-toto Statement v1 over every artefact, in RFC 8785 bytes, DSSE-signed.

Field list: docs/evidence/manifest.schema.json. Times are RFC 3339 UTC; digests lower-case hex. Each artefact
has a salt of its own, and the Merkle root over the salted list lets one be shown without the others.
"""

import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.common.canonical import canonical
from services.common.clock import rfc3339
from services.common.dsse import Envelope, add_signature, sign_envelope
from services.common.merkle import ALGORITHM, merkle_root
from services.common.suites import Signer, policy_id
from services.crawler.recording.findings import Recorded
from services.crawler.recording.spool import Artefact
from services.crawler.recording.tidy import tidy

SCHEMA = "urn:wangjian:capture:v2"
STATEMENT = "https://in-toto.io/Statement/v1"


@dataclass(frozen=True)
class Order:
    """The order a capture was made for. `beacon`: the log's checkpoint over it, older than the capture."""

    evidence_id: str
    url: str
    purpose: str
    operator: dict[str, str]
    beacon: str
    order_leaf: str
    attempt: int


def build_statement(
    order: Order, recorded: Recorded, artefacts: list[Artefact], signers: Sequence[Signer]
) -> dict[str, Any]:
    """The statement as JSON values; artefacts in byte order of their paths, each with a fresh salt."""
    listed = _listed(artefacts)
    seen, outcome = recorded.observed, recorded.outcome
    predicate = {
        "schema": SCHEMA,
        "evidence_id": order.evidence_id,
        "order": {"purpose": order.purpose, "leaf_hash": order.order_leaf, "attempt": order.attempt},
        "operator": order.operator,
        "target": {
            "requested_url": order.url,
            "final_url": recorded.final_url,
            "address_bar": recorded.address_bar,
            "redirects": recorded.redirects,
            "http_status": seen.http_status,
            "title": recorded.title,
        },
        "times": {
            "beacon_checkpoint": order.beacon,
            "start": rfc3339(recorded.started),
            "end": rfc3339(recorded.ended),
            "clock": recorded.clock,
        },
        "network": _network(recorded),
        "environment": recorded.environment,
        "method": recorded.method,
        "steps": {"path": "evidence/steps.jsonl", "head_sha256": recorded.steps_head},
        "completeness": {
            "state": outcome.state,
            "reason": outcome.reason.row() if outcome.reason else None,
            "missing": seen.missing,
            "errors": recorded.errors,
        },
        "artifacts": listed,
        "merkle": {"alg": ALGORITHM, "root": merkle_root([canonical(a) for a in listed]).hex()},
        "key_ids": [signer.keyid for signer in signers],
        "policy_id": policy_id(signer.suite for signer in signers),
    }
    subject = [{"name": a["path"], "digest": {"sha256": a["sha256"], "sm3": a["sm3"]}} for a in listed]
    statement = {"_type": STATEMENT, "subject": subject, "predicateType": SCHEMA, "predicate": predicate}
    return dict(tidy(statement))


def _listed(artefacts: list[Artefact]) -> list[dict[str, Any]]:
    """The artefact objects in order, each with a fresh salt; an origin that was not kept is not named."""
    paths = {artefact.path for artefact in artefacts}
    return [
        {
            **artefact.row(),
            "derived_from": artefact.derived_from if artefact.derived_from in paths else None,
            "salt": secrets.token_hex(16),
        }
        for artefact in sorted(artefacts, key=lambda a: a.path.encode())
    ]


def _network(recorded: Recorded) -> dict[str, Any]:
    """Names, connections and what was refused; repeats of one refusal are counted."""
    ledger = recorded.ledger
    refused = Counter(
        (c.host, c.port, c.verdict, c.reason) for c in ledger.connections if c.verdict != "allowed"
    )
    return {
        "dns": [
            {"name": d.name, "answers": d.answers, "ttl": d.ttl, "resolver": d.resolver, "error": d.error}
            for d in ledger.lookups.values()
        ],
        "connections": recorded.connections,
        "blocked": [
            {"host": host, "port": port, "verdict": verdict, "reason": reason, "count": count}
            for (host, port, verdict, reason), count in refused.most_common(200)
        ],
        "bytes_received": ledger.bytes_down,
    }


def sign_statement(
    order: Order, recorded: Recorded, artefacts: list[Artefact], signers: Sequence[Signer]
) -> Envelope:
    """The DSSE envelope with the capture worker's signatures, one in each suite."""
    statement = build_statement(order, recorded, artefacts, signers)
    envelope = sign_envelope(signers[0], canonical(statement))
    for signer in signers[1:]:
        envelope = add_signature(envelope, signer)
    return envelope
