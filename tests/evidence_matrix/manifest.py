"""The manifest: every field of the schema edited, removed and spoilt; and what no schema can say."""

import base64
import json
from collections.abc import Iterator

import rfc8785

from services.evidence.log.notes import Checkpoint, sign_checkpoint
from tests.evidence_matrix.fields import Place, edited, fields, removed, retyped, written
from tests.evidence_matrix.world import ENVELOPE, Attempt, Case, Json, World
from tests.evidence_samples import ORIGIN, Signers


def cases() -> Iterator[Case]:
    """All of them."""
    for place, node in fields():
        name = written(place)
        yield Case("manifest edited", f"{name} edited, old signatures", "signature.worker", _outsider(place))
        if isinstance(place[-1], str):
            code = "artefacts.set" if place[0] == "subject" and len(place) > 1 else "manifest.form"
            yield Case("manifest form", f"{name} missing, all keys", code, _insider(removed, place))
        code = "artefacts.set" if place[0] == "subject" else "manifest.form"
        if "type" in node or "const" in node or "enum" in node:
            yield Case("manifest form", f"{name} of another type, all keys", code, _insider(retyped, place))
    yield from _texts()
    yield from _facts()


def _outsider(place: Place):
    def make(world: World) -> Attempt:
        payload = rfc8785.dumps(edited(world.statement, place))
        return world.json(ENVELOPE, lambda e: e.update(payload=base64.b64encode(payload).decode()))

    return make


def _insider(change, place: Place):
    def make(world: World) -> Attempt:
        honest, changed = world.statement, change(world.statement, place)
        return Attempt(world.seal(honest, payload=rfc8785.dumps(changed)))

    return make


def _texts() -> Iterator[Case]:
    """Another spelling of the same statement, signed by somebody with all keys."""
    spellings = {
        "a space": lambda p: p.replace(b'{"_type"', b'{ "_type"', 1),
        "a line break at the end": lambda p: p + b"\n",
        "a byte order mark": lambda p: b"\xef\xbb\xbf" + p,
        "a duplicate key": lambda p: p[:-1] + b',"predicateType":"urn:wangjian:capture:v2"}',
        "a duplicate key inside": lambda p: p.replace(
            b'"http_status":200', b'"http_status":200,"http_status":200'
        ),
        "escaped characters": lambda p: p.replace("测试商品".encode(), b"\\u6d4b\\u8bd5\\u5546\\u54c1"),
        "an escaped slash": lambda p: p.replace(b"http://", b"http:\\/\\/", 1),
        "another spelling of a number": lambda p: p.replace(b"1.25", b"1.250"),
        "an exponent": lambda p: p.replace(b'"http_status":200', b'"http_status":2e2'),
        "a minus zero": lambda p: p.replace(b'"http_status":200', b'"http_status":-0'),
        "an integer beyond 2^53": lambda p: p.replace(
            b'"http_status":200', b'"http_status":9007199254740993'
        ),
        "NaN": lambda p: p.replace(b'"http_status":200', b'"http_status":NaN'),
        "keys in another order": _reordered,
        "cut short": lambda p: p[:-10],
        "a list instead": lambda p: b"[]",
        "a number instead": lambda p: b"1",
        "nothing": lambda p: b"null",
        "bytes that are not UTF-8": lambda p: b"\xff",
        "a lone surrogate": lambda p: p.replace("测试商品".encode(), b"\\ud800"),
        "a hundred thousand brackets": lambda p: b"[" * 100_000,
        "an added member of the statement": lambda p: p[:-1] + b',"z":1}',
    }
    for name, change in spellings.items():
        yield Case(
            "manifest spelling",
            name,
            "manifest.form",
            lambda w, c=change: Attempt(w.seal(w.statement, payload=c(rfc8785.dumps(w.statement)))),
        )


def _reordered(payload: bytes) -> bytes:
    whole = json.loads(payload)
    return json.dumps(dict(reversed(whole.items())), separators=(",", ":"), ensure_ascii=False).encode()


def _facts() -> Iterator[Case]:
    """What only a comparison finds, said by somebody with all keys."""

    def case(name: str, code: str, change, *, root: bool = True) -> Case:
        return Case("manifest facts", name, code, lambda w: w.insider(change, root=root))

    def entry(p: Json, s: Json, **values: object) -> None:
        p["artifacts"][3].update(values)
        digests = {k: p["artifacts"][3][k] for k in ("sha256", "sm3")}
        s["subject"][3].update(name=p["artifacts"][3]["path"], digest=digests)

    yield case(
        "unknown schema version",
        "manifest.form",
        lambda p, s: (
            p.update(schema="urn:wangjian:capture:v3"),
            s.update(predicateType="urn:wangjian:capture:v3"),
        ),
    )
    yield case(
        "the old schema version",
        "manifest.form",
        lambda p, s: (
            p.update(schema="urn:wangjian:capture:v1"),
            s.update(predicateType="urn:wangjian:capture:v1"),
        ),
    )
    yield case("unknown outcome", "manifest.form", lambda p, s: p["completeness"].update(state="PERFECT"))
    yield case(
        "an artefact not listed", "artefacts.set", lambda p, s: (p["artifacts"].pop(), s["subject"].pop())
    )
    yield case("an artefact not among the subjects", "artefacts.set", lambda p, s: s["subject"].pop())
    yield case("a subject twice", "artefacts.set", lambda p, s: s["subject"].append(s["subject"][0]))
    yield case(
        "artefacts in another order",
        "manifest.form",
        lambda p, s: (p["artifacts"].reverse(), s["subject"].reverse()),
    )
    yield case("an artefact twice", "manifest.form", lambda p, s: p["artifacts"].insert(1, p["artifacts"][0]))
    yield case("right digests, wrong size", "artefacts.size", lambda p, s: entry(p, s, bytes=1))
    yield case("negative size", "manifest.form", lambda p, s: entry(p, s, bytes=-1))
    yield case("SM3 right, SHA-256 wrong", "artefacts.sha256", lambda p, s: entry(p, s, sha256="0" * 64))
    yield case("SHA-256 right, SM3 wrong", "artefacts.sm3", lambda p, s: entry(p, s, sm3="0" * 64))
    yield case("SHA-256 in capitals", "manifest.form", lambda p, s: entry(p, s, sha256="A" * 64))
    yield case(
        "two artefacts of one salt",
        "manifest.form",
        lambda p, s: p["artifacts"][0].update(salt=p["artifacts"][1]["salt"]),
    )
    yield case("a short salt", "manifest.form", lambda p, s: p["artifacts"][0].update(salt="00"))
    yield case(
        "another salt, root not",
        "artefacts.merkle",
        lambda p, s: p["artifacts"][0].update(salt="f" * 32),
        root=False,
    )
    yield case(
        "another Merkle root", "artefacts.merkle", lambda p, s: p["merkle"].update(root="0" * 64), root=False
    )
    yield case("another tree algorithm", "manifest.form", lambda p, s: p["merkle"].update(alg="flat-sha256"))
    yield case(
        "derived from a file that is not there",
        "manifest.form",
        lambda p, s: entry(p, s, derived_from="evidence/none.png"),
    )
    yield case(
        "derived from itself",
        "manifest.form",
        lambda p, s: entry(p, s, derived_from=p["artifacts"][3]["path"]),
    )
    yield case(
        "an artefact under a proof's name", "manifest.form", lambda p, s: entry(p, s, path="evidence/log.x")
    )
    yield case(
        "an artefact under a climbing name", "manifest.form", lambda p, s: entry(p, s, path="evidence/a..b")
    )
    yield case("an evidence id that is none", "manifest.form", lambda p, s: p.update(evidence_id="1"))
    yield case("a policy nobody trusts", "policy.accepted", lambda p, s: p.update(policy_id="urn:evil"))
    yield case(
        "a policy of one suite with both suites' signatures",
        "policy.accepted",
        lambda p, s: p.update(policy_id="urn:wangjian:policy:v2:international"),
    )
    yield case("key ids left out", "manifest.form", lambda p, s: p.pop("key_ids"))
    yield case("key ids of nobody", "signature.worker", lambda p, s: p.update(key_ids=["0" * 64]))
    yield case("one key id too many", "signature.worker", lambda p, s: p["key_ids"].append("0" * 64))
    yield case("key ids in another order", "signature.worker", lambda p, s: p["key_ids"].reverse())
    yield case("end before start", "time.order", lambda p, s: p["times"].update(end="2020-01-01T00:00:00Z"))
    yield case(
        "a day that does not exist",
        "time.order",
        lambda p, s: p["times"].update(start="2026-02-30T00:00:00Z"),
    )
    yield case("end in the future", "time.order", lambda p, s: p["times"].update(end="2999-01-01T00:00:00Z"))
    yield case(
        "a local time", "manifest.form", lambda p, s: p["times"].update(start="2026-11-21T16:00:00+08:00")
    )
    yield case(
        "the clock off by more than the skew",
        "time.order",
        lambda p, s: p["times"]["clock"].update(offset_ms=300_001),
    )
    yield case(
        "the clock behind by more than the skew",
        "time.order",
        lambda p, s: p["times"]["clock"].update(offset_ms=-300_000.5),
    )
    yield from _beacons(case)


def _beacons(case) -> Iterator[Case]:
    def beacon(name: str, code: str, make) -> Case:
        return Case(
            "beacon",
            name,
            code,
            lambda w: w.insider(
                lambda p, s: p["times"].update(beacon_checkpoint=make(w, p["times"]["beacon_checkpoint"]))
            ),
        )

    root = b"r" * 32
    yield beacon("nothing", "beacon.checkpoint", lambda w, b: "")
    yield beacon("text", "beacon.checkpoint", lambda w, b: "checkpoint")
    yield beacon(
        "of an empty tree",
        "beacon.checkpoint",
        lambda w, b: sign_checkpoint(Checkpoint(ORIGIN, 0, root), w.signers.log),
    )
    yield beacon(
        "larger than the seal's index",
        "beacon.checkpoint",
        lambda w, b: sign_checkpoint(Checkpoint(ORIGIN, 99, root), w.signers.log),
    )
    yield beacon(
        "of another log",
        "beacon.checkpoint",
        lambda w, b: sign_checkpoint(Checkpoint("evil.test/log", 1, root), w.signers.log),
    )
    yield beacon(
        "signed by another key",
        "beacon.checkpoint",
        lambda w, b: sign_checkpoint(Checkpoint(ORIGIN, 1, root), Signers().log),
    )
    yield beacon("without signature", "beacon.checkpoint", lambda w, b: b.partition("\n\n")[0] + "\n\n")
    yield beacon("signed twice by the log", "beacon.checkpoint", lambda w, b: b + b.rpartition("\n\n")[2])
    yield beacon(
        "with an extension line", "beacon.checkpoint", lambda w, b: b.replace("\n\n", "\nextra\n\n", 1)
    )
    yield beacon(
        "of a tree that never was",
        "beacon.consistency",
        lambda w, b: sign_checkpoint(Checkpoint(ORIGIN, 1, root), w.signers.log),
    )
