"""Valid evidence packages from synthetic artefacts: no browser, no database, no process.

`Signers()` makes the keys of a whole deployment; `make_package(signers, artefacts)` gives the bytes of a
package that `services.evidence.verification.verifier` calls VALID under `signers.trust()`.
"""

import base64
import datetime as dt
import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Sequence
from typing import Any

import rfc8785
from asn1crypto import tsp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SM3, Hash
from warcio.warcwriter import WARCWriter

from infra.tsa.authority import Authority, create
from services.common.dsse import IN_TOTO, Envelope, add_signature, sign_envelope
from services.common.suites import KeyHolder, generate, policy_id
from services.evidence.log.merkle import MerkleTree, leaf_hash
from services.evidence.log.notes import COSIGNATURE_V1, Checkpoint, NoteKey, cosign, log_key, sign_checkpoint
from services.evidence.log.proofs import format_consistency, format_proof
from services.evidence.package.layout import Member, Part
from services.evidence.package.wacz import CONSISTENCY, ENTRY, ENVELOPE, PROOF, build, stamp_path
from services.evidence.timestamps.rules import stamped_message

ORIGIN = "wangjian.test/log"
EVIDENCE_ID = "01JD0000000000000000000000"
NUMBER = "WJ-360121-2026-00000001"
URL = "http://shop.test/item/1"
START = dt.datetime(2026, 11, 21, 8, 0, 0, tzinfo=dt.UTC)


class Signers:
    """All keys of a deployment: worker, sealer, log, witnesses, time-stamping authorities.

    algorithms: of the worker's and the sealer's keys, one of each suite in their order; operators: how many
    authorities and how many witnesses, each of an operator of its own.
    """

    def __init__(self, algorithms: Sequence[str] = ("ed25519",), operators: int = 1) -> None:
        self.workers = [generate(algorithm) for algorithm in algorithms]
        self.sealers = [generate(algorithm) for algorithm in algorithms]
        self.log = Ed25519PrivateKey.generate()
        self.witnesses = [Ed25519PrivateKey.generate() for _ in range(operators)]
        self.tsas: list[Authority] = [create()[0] for _ in range(operators)]
        self.worker, self.sealer = self.workers[0], self.sealers[0]
        self.witness, self.tsa = self.witnesses[0], self.tsas[0]

    @property
    def policy(self) -> str:
        """The policy of packages signed with these keys."""
        return policy_id(signer.suite for signer in self.workers)

    def trust(self) -> dict[str, Any]:
        """The trust file of this deployment, as JSON values."""
        return {
            "schema": "urn:wangjian:trust:v2",
            "development": True,
            "label": {"zh": "测试信任", "en": "test trust"},
            "worker_keys": [key_entry(signer) for signer in self.workers],
            "sealing_keys": [key_entry(signer) for signer in self.sealers],
            "logs": [{"origin": ORIGIN, "vkey": log_key(ORIGIN, self.log).vkey}],
            "witnesses": [
                {
                    "name": witness_name(place),
                    "operator": f"witness operator {place}",
                    "vkey": NoteKey(witness_name(place), COSIGNATURE_V1, key.public_key()).vkey,
                }
                for place, key in enumerate(self.witnesses)
            ],
            "custodians": [],
            "tsas": [
                {**tsa.description(), "operator": f"stamp operator {place}"}
                for place, tsa in enumerate(self.tsas)
            ],
            "policies": [
                {
                    "id": self.policy,
                    "suites": [signer.suite for signer in self.workers],
                    "tsa_quorum": 1,
                    "witness_quorum": 1,
                    "max_skew_seconds": 300,
                }
            ],
        }

    def sign(self, payload: bytes, payload_type: str = IN_TOTO) -> Envelope:
        """The envelope with all signatures: the worker's, then the sealer's."""
        envelope = sign_envelope(self.workers[0], payload, payload_type)
        for signer in [*self.workers[1:], *self.sealers]:
            envelope = add_signature(envelope, signer)
        return envelope


def witness_name(place: int) -> str:
    """The key name of a witness."""
    return f"witness.test/w{place + 1}"


def key_entry(key: KeyHolder) -> dict[str, Any]:
    """A signing key's entry in a trust file."""
    return {
        "keyid": key.keyid,
        "algorithm": key.algorithm,
        "public_key": base64.b64encode(key.public_der).decode(),
        "not_before": None,
        "not_after": None,
        "revoked_at": None,
    }


def sm3(data: bytes) -> str:
    """SM3 as lowercase hex."""
    context = Hash(SM3())
    context.update(data)
    return context.finalize().hex()


def small_warc(url: str = URL) -> bytes:
    """A WARC with a warcinfo record and one page."""
    buffer = io.BytesIO()
    writer = WARCWriter(buffer, gzip=True, warc_version="1.1")
    writer.write_record(writer.create_warcinfo_record("data.warc.gz", {"software": "test"}))
    page = io.BytesIO("<h1>测试商品</h1>".encode())
    writer.write_record(
        writer.create_warc_record(url, "resource", payload=page, warc_content_type="text/html")
    )
    return buffer.getvalue()


def sample_artefacts(extra: dict[str, bytes] | None = None) -> dict[str, bytes]:
    """Artefacts by path as a capture worker hands them in; `extra` adds or replaces."""
    pages = [
        {"format": "json-pages-1.0", "id": "pages", "title": "All Pages"},
        {"id": "p1", "url": URL, "ts": "2026-11-21T08:00:00Z", "title": "测试商品"},
    ]
    steps = [{"seq": 1, "op": "load", "ms": 12.5}, {"seq": 2, "op": "scroll", "detail": {"steps": 3}}]
    lines = {
        name: "\n".join(json.dumps(v, ensure_ascii=False) for v in value) + "\n"
        for name, value in (("pages", pages), ("steps", steps))
    }
    artefacts = {
        "archive/data.warc.gz": small_warc(),
        "indexes/index.cdxj": b'test,shop)/item/1 20261121080000 {"url":"http://shop.test/item/1","status":"200"}\n',
        "pages/pages.jsonl": lines["pages"].encode(),
        "evidence/page.png": b"\x89PNG\r\n\x1a\n" + gzip.compress(b"pixels" * 50, mtime=0),
        "evidence/dom.html": "<html><body>测试商品 &amp; 价格</body></html>".encode(),
        "evidence/text.txt": "测试商品\n¥ 88.00\n".encode(),
        "evidence/steps.jsonl": lines["steps"].encode(),
        "evidence/env.json": json.dumps({"browser": "test", "nested": {"a": [1, 2]}}).encode(),
        "evidence/tls-0.der": bytes(range(64)),
    }
    return artefacts | (extra or {})


_ROLES = {"png": ("screenshot", "image/png"), "html": ("dom", "text/html"), "txt": ("text", "text/plain")}


def artefact_entries(artefacts: dict[str, bytes]) -> list[dict[str, Any]]:
    """The manifest's list of these artefacts."""
    entries = []
    for path in sorted(artefacts):
        role, media_type = _ROLES.get(path.rsplit(".", 1)[-1], ("record", "application/octet-stream"))
        data = artefacts[path]
        entries.append(
            {
                "path": path,
                "role": role,
                "media_type": media_type,
                "bytes": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
                "sm3": sm3(data),
                "created": rfc3339(START + dt.timedelta(seconds=1)),
                "derived_from": None,
                "salt": hashlib.sha256(path.encode()).hexdigest()[:32],
            }
        )
    return entries


def rfc3339(moment: dt.datetime) -> str:
    """A UTC time as the manifest writes it."""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def make_statement(
    evidence_id: str,
    artefacts: list[dict[str, Any]],
    beacon: str,
    worker_keyids: str | list[str],
    **changes: Any,
) -> dict[str, Any]:
    """An in-toto statement with every field of the predicate; `changes` replace predicate members."""
    predicate: dict[str, Any] = {
        "schema": "urn:wangjian:capture:v2",
        "evidence_id": evidence_id,
        "target": {
            "requested_url": URL,
            "final_url": URL,
            "redirects": [],
            "http_status": 200,
            "title": "测试商品",
        },
        "operator": {"sub": "u1", "name": "测试员", "org": "360121-SJ"},
        "times": {
            "beacon_checkpoint": beacon,
            "start": rfc3339(START),
            "end": rfc3339(START + dt.timedelta(seconds=2)),
            "clock": {"source": "none", "offset_ms": None, "state": "unsynchronised"},
        },
        "network": {
            "dns": [{"name": "shop.test", "answers": ["192.0.2.1"]}],
            "connections": [{"host": "shop.test", "ip": "192.0.2.1", "port": 80, "ms": 1.25}],
            "blocked": [],
        },
        "environment": {"browser": {"product": "test"}},
        "method": {"profile": "test", "scroll": {"stop_reason": "end"}},
        "completeness": {"state": "COMPLETE", "missing": [], "errors": [], "reason": None},
        "artifacts": artefacts,
        "merkle": {"alg": "rfc6962-sha256", "root": artefact_tree(artefacts).root().hex()},
        "key_ids": [worker_keyids] if isinstance(worker_keyids, str) else worker_keyids,
        "policy_id": "urn:wangjian:policy:v2:international",
    } | changes
    subject = [{"name": a["path"], "digest": {"sha256": a["sha256"], "sm3": a["sm3"]}} for a in artefacts]
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "predicateType": "urn:wangjian:capture:v2",
        "subject": subject,
        "predicate": predicate,
    }


def artefact_tree(artefacts: list[dict[str, Any]]) -> MerkleTree:
    """The tree over the salted artefact objects."""
    tree = MerkleTree()
    for item in artefacts:
        tree.append(leaf_hash(rfc8785.dumps(item)))
    return tree


def stamp(authority: Authority, envelope: Envelope) -> bytes:
    """A time stamp response over an envelope's signatures."""
    return stamp_message(authority, stamped_message(envelope))


def stamp_message(authority: Authority, message: bytes) -> bytes:
    """A time stamp response over SHA-256 of a message."""
    digest = hashlib.sha256(message).digest()
    request = tsp.TimeStampReq(
        {
            "version": "v1",
            "message_imprint": {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": digest},
            "nonce": 7,
            "cert_req": True,
        }
    )
    return authority.reply(request.dump())


class Log:
    """A transparency log in memory with one earlier order, so that the beacon has something to point at."""

    def __init__(self, signers: Signers) -> None:
        self.signers, self.tree = signers, MerkleTree()
        self.tree.append(leaf_hash(b"order"))

    def checkpoint(self, *, cosigned: bool = True) -> str:
        """The newest checkpoint."""
        head = Checkpoint(ORIGIN, self.tree.size, self.tree.root())
        note = sign_checkpoint(head, self.signers.log)
        when = int(dt.datetime.now(dt.UTC).timestamp())
        lines = [
            cosign(head.body, witness_name(place), key, when)
            for place, key in enumerate(self.signers.witnesses)
        ]
        return note + ("".join(lines) if cosigned else "")

    def consistency(self, old: int) -> bytes:
        """`log.consistency.json` from an older tree to the newest."""
        hashes = self.tree.consistency_proof(old, self.tree.size)
        return format_consistency(old, self.tree.size, hashes)

    def append(self, entry: bytes) -> str:
        """Log an entry; gives its proof file."""
        index = self.tree.append(leaf_hash(entry))
        for filler in range(3):
            self.tree.append(leaf_hash(b"later %d" % filler))
        return format_proof(index, self.tree.inclusion_proof(index, self.tree.size), self.checkpoint())


def make_parts(
    signers: Signers, artefacts: dict[str, bytes] | None = None, *, predicate: dict[str, Any] | None = None
) -> list[Part]:
    """The parts of a valid package; `predicate` replaces members of the predicate before it is signed."""
    artefacts = sample_artefacts() if artefacts is None else artefacts
    log = Log(signers)
    statement = make_statement(
        EVIDENCE_ID,
        artefact_entries(artefacts),
        log.checkpoint(cosigned=False),
        [signer.keyid for signer in signers.workers],
        **{"policy_id": signers.policy, **(predicate or {})},
    )
    envelope = signers.sign(rfc8785.dumps(statement))
    return assemble(signers, log, statement, envelope, artefacts)


def assemble(
    signers: Signers, log: Log, statement: dict[str, Any], envelope: Envelope, artefacts: dict[str, bytes]
) -> list[Part]:
    """Stamp, log and pack a signed envelope."""
    responses = [stamp(authority, envelope) for authority in signers.tsas]
    proofs = {stamp_path(place): response for place, response in enumerate(responses)}
    return pack(log, statement, envelope, artefacts, proofs)


def pack(
    log: Log,
    statement: dict[str, Any],
    envelope: Envelope,
    artefacts: dict[str, bytes],
    stamps: dict[str, bytes],
) -> list[Part]:
    """Log and pack a signed envelope with its time stamps (and their batch paths), by path."""
    envelope_bytes, beacon_size = rfc8785.dumps(dict(envelope)), log.tree.size
    responses = [data for path, data in stamps.items() if path.endswith(".tsr")]
    entry = rfc8785.dumps(
        {
            "v": 2,
            "kind": "seal",
            "evidence_id": statement["predicate"]["evidence_id"],
            "evidence_no": NUMBER,
            "envelope_sha256": hashlib.sha256(envelope_bytes).hexdigest(),
            "merkle_root": statement["predicate"]["merkle"]["root"],
            "stamps_sha256": [hashlib.sha256(response).hexdigest() for response in responses],
        }
    )
    proofs = {ENVELOPE: envelope_bytes, ENTRY: entry, PROOF: log.append(entry).encode(), **stamps}
    proofs[CONSISTENCY] = log.consistency(beacon_size)
    members = [
        Member(path, len(data), zlib.crc32(data), hashlib.sha256(data).hexdigest(), data)
        for path, data in artefacts.items()
    ]
    return build(statement["predicate"], members, proofs)


def make_package(signers: Signers, artefacts: dict[str, bytes] | None = None, **options: Any) -> bytes:
    """The bytes of a valid package. artefacts: by path, default a small product page."""
    return b"".join(part.data or b"" for part in make_parts(signers, artefacts, **options))
