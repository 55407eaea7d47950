"""Packages and trust files made wrong in many ways, for comparing two verifiers; each can be made again.

Some are made wrong by a stranger (bytes changed afterwards), some by an insider who holds every key and
signs, stamps and logs what he changed. A few are left right.
"""

import base64
import copy
import hashlib
import io
import json
import random
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import rfc8785

from services.common.dsse import Envelope
from services.evidence.disclosures.rules import disclosure
from services.evidence.timestamps.batches import make_batch
from services.evidence.timestamps.rules import stamped_message
from tests.evidence_forger import Sample, regions, zip_of
from tests.evidence_samples import (
    EVIDENCE_ID,
    Log,
    Signers,
    artefact_entries,
    artefact_tree,
    make_package,
    make_statement,
    pack,
    sample_artefacts,
    stamp,
    stamp_message,
)

ODD: list[Any] = [
    None, True, False, 0, 1, -1, 1.5, 2**53 - 1, 1e21, "", "0", "a" * 64, "é", "../x", "2026-11-21T08:00:00Z",
    "2026-02-30T08:00:00Z", "2026-11-21T08:00:00+08:00", "2026-11-21T08:00:60Z", [], {},
    [None], {"a": 1}, "\u0000", "2027-11-21T08:00:00Z",
]  # fmt: skip
PROOFS = (
    "evidence/manifest.dsse.json", "evidence/log.entry.json", "evidence/log.consistency.json",
    "evidence/log.tlog-proof", "evidence/tst-0.tsr", "datapackage.json", "datapackage-digest.json",
)  # fmt: skip
NAMES = (
    "evidence/Page.png", "evidence/../x", "evidence/a/b.txt", "evidence/.hidden", "other/a", "evidence/a b",
    "evidence/log.other", "evidence/tst-1.tsr", "evidence/tst-0.path.json", "evidence/redaction.json", "a",
    "evidence/a..b", "evidence/" + "a" * 101, "/evidence/a", "evidence/tst-00.tsr", "evidence/zz.txt",
)  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One case: what was done, the package, the trust file."""

    what: str
    package: bytes
    trust: bytes
    artefact: bytes | None = None


class House:
    """One deployment, a right package of it, and ways to make others."""

    def __init__(self, algorithms: tuple[str, ...], operators: int) -> None:
        self.signers = Signers(algorithms, operators)
        self.trust = self.signers.trust()
        self.package = make_package(self.signers)
        self.places, self.structure = regions(self.package)
        with zipfile.ZipFile(io.BytesIO(self.package)) as opened:
            self.files = {name: opened.read(name) for name in opened.namelist()}

    def sealed(
        self,
        change: Callable[[dict[str, Any]], None] = lambda statement: None,
        *,
        artefacts: dict[str, bytes] | None = None,
        stamps: Callable[[dict[str, bytes], Envelope], dict[str, bytes]] = lambda stamps, _: stamps,
    ) -> bytes:
        """A package whose statement an insider changed before it was signed, stamped and logged."""
        artefacts, log = artefacts or sample_artefacts(), Log(self.signers)
        keyids = [signer.keyid for signer in self.signers.workers]
        beacon = log.checkpoint(cosigned=False)
        entries = artefact_entries(artefacts)
        statement = make_statement(EVIDENCE_ID, entries, beacon, keyids, policy_id=self.signers.policy)
        right = copy.deepcopy(statement)
        change(statement)
        envelope = self.signers.sign(rfc8785.dumps(statement))
        made = {f"evidence/tst-{n}.tsr": stamp(tsa, envelope) for n, tsa in enumerate(self.signers.tsas)}
        # Descriptors and entry from the right statement where the changed one has no such members.
        try:
            parts = pack(log, statement, envelope, artefacts, stamps(made, envelope))
        except (KeyError, TypeError, AttributeError):
            parts = pack(log, right, envelope, artefacts, stamps(made, envelope))
        return b"".join(part.data or b"" for part in parts)

    def repacked(self, files: dict[str, bytes]) -> bytes:
        """A package of these files, with fitting descriptors where those are not what was changed."""
        kept = "datapackage-digest.json"
        fit = all(files.get(name) == self.files[name] for name in ("datapackage.json", kept))
        return Sample.pack(_Order(), files, descriptors=fit)  # type: ignore[arg-type]


class _Order:
    order = staticmethod(Sample.order)


def mutants(seed: int, count: int, houses: list[House]) -> list[Mutant]:
    """`count` cases from a seed."""
    rng, kinds = random.Random(seed), list(_KINDS)
    return [_mutant(rng, kinds[place % len(kinds)], houses[place % len(houses)]) for place in range(count)]


def _mutant(rng: random.Random, kind: "Kind", house: House) -> Mutant:
    trust = json.dumps(house.trust).encode()
    what, package, changed, *artefact = kind(rng, house)
    name = f"{kind.__name__.strip('_')}: {what}"
    return Mutant(name, package, changed or trust, artefact[0] if artefact else None)


Made = tuple[str, bytes, bytes | None] | tuple[str, bytes, None, bytes | None]
Kind = Callable[[random.Random, House], Made]


def _right(rng: random.Random, house: House) -> Made:
    extra = {f"evidence/extra-{n}.bin": rng.randbytes(rng.randrange(400)) for n in range(rng.randrange(4))}
    return "nothing", house.sealed(artefacts=sample_artefacts(extra)), None


def _octets(rng: random.Random, house: House) -> Made:
    data = bytearray(house.package)
    at = rng.choice(house.structure) if rng.random() < 0.6 else rng.randrange(len(data))
    way = rng.choice(["flip", "cut", "insert", "delete", "repeat", "set"])
    match way:
        case "flip":
            data[at] ^= 1 << rng.randrange(8)
        case "set":
            data[at] = rng.choice([0, 1, 0x50, 0xFF])
        case "cut":
            del data[at:]
        case "insert":
            data[at:at] = rng.randbytes(rng.randrange(1, 5))
        case "delete":
            del data[at : at + rng.randrange(1, 5)]
        case "repeat":
            data[at:at] = data[at : at + rng.randrange(1, 60)]
    return f"{way} at {at}", bytes(data), None


def _files(rng: random.Random, house: House) -> Made:
    files = list(house.files.items())
    way = rng.choice(["swap", "drop", "twice", "add", "rename", "content"])
    at, other = rng.randrange(len(files)), rng.randrange(len(files))
    match way:
        case "swap":
            files[at], files[other] = files[other], files[at]
        case "drop":
            del files[at]
        case "twice":
            files.insert(other, files[at])
        case "add":
            files.insert(at, (rng.choice(NAMES), b"x"))
        case "rename":
            files[at] = (rng.choice(NAMES), files[at][1])
        case "content":
            files[at] = (files[at][0], files[other][1])
    packed = zip_of(files) if rng.random() < 0.5 else house.repacked(dict(files))
    return f"{way} {at} {other}", packed, None


def _proof(rng: random.Random, house: House) -> Made:
    name = rng.choice(PROOFS)
    data, what = house.files[name], ""
    if name.endswith(".json"):
        value = json.loads(data)
        what = _alter(rng, value)
        changed = _dumped(value)
        data = data if changed is None else changed
    if not what or rng.random() < 0.4:
        text = bytearray(data)
        at = rng.randrange(len(text))
        text[at : at + rng.randrange(2)] = rng.choice([b"", b" ", b"\n", b"0", b"A", b"=", b'"', b"\xe2"])
        data, what = bytes(text), what + f" text at {at}"
    return f"{name} {what}", house.repacked({**house.files, name: data}), None


def _note(rng: random.Random, house: House) -> Made:
    proof = house.files["evidence/log.tlog-proof"].decode().split("\n")
    at, other = rng.randrange(len(proof)), rng.randrange(len(proof))
    way = rng.choice(["drop", "twice", "swap", "cosigned", "blank", "index"])
    match way:
        case "drop":
            del proof[at]
        case "twice":
            proof.insert(at, proof[at])
        case "swap":
            proof[at], proof[other] = proof[other], proof[at]
        case "cosigned":
            proof.insert(
                -1, f"— {rng.choice(['x', 'witness.test/w1'])} {base64.b64encode(rng.randbytes(76)).decode()}"
            )
        case "blank":
            proof.insert(at, "")
        case "index":
            proof[1] = rng.choice(
                ["index 0", "index 01", "index -1", "index 4", "index ", "index 1 ", "index ١"]
            )
    text = "\n".join(proof).encode()
    return f"{way} {at}", house.repacked({**house.files, "evidence/log.tlog-proof": text}), None


def _statement(rng: random.Random, house: House) -> Made:
    done: list[str] = []

    def change(statement: dict[str, Any]) -> None:
        before = copy.deepcopy(statement)
        done.append(_alter(rng, statement if rng.random() < 0.3 else statement["predicate"]))
        if _dumped(statement) is None:
            statement.clear()
            statement.update(before)
            return
        listed = (
            statement.get("predicate", {}).get("artifacts")
            if isinstance(statement.get("predicate"), dict)
            else None
        )
        if isinstance(listed, list) and all(isinstance(item, dict) for item in listed) and rng.random() < 0.7:
            merkle = statement["predicate"].get("merkle")
            if isinstance(merkle, dict) and listed:
                merkle["root"] = artefact_tree(listed).root().hex()
            statement["subject"] = [
                {"name": item.get("path"), "digest": {"sha256": item.get("sha256"), "sm3": item.get("sm3")}}
                for item in listed
            ]

    package = house.sealed(change)
    return ", ".join(done), package, None


def _stamps(rng: random.Random, house: House) -> Made:
    done: list[str] = []

    def change(stamps: dict[str, bytes], _: Envelope) -> dict[str, bytes]:
        name = rng.choice(list(stamps))
        data = bytearray(stamps[name])
        at = rng.randrange(len(data))
        data[at] ^= 1 << rng.randrange(8)
        done.append(f"{name} at {at}")
        return {**stamps, name: bytes(data)}

    package = house.sealed(stamps=change)
    return done[0], package, None


def _batch(rng: random.Random, house: House) -> Made:
    done = ["right"]

    def change(stamps: dict[str, bytes], envelope: Envelope) -> dict[str, bytes]:
        messages = [rng.randbytes(40) for _ in range(rng.randrange(5))]
        place = rng.randrange(len(messages) + 1)
        messages.insert(place, stamped_message(envelope))
        batch = make_batch(messages)
        document: Any = json.loads(batch.paths[place])
        if rng.random() < 0.7:
            done[0] = _alter(rng, document)
        stamped = stamp_message(house.signers.tsa, batch.text)
        path = _dumped(document) or b"{}"
        return {**stamps, "evidence/tst-0.tsr": stamped, "evidence/tst-0.path.json": path}

    package = house.sealed(stamps=change)
    return done[0], package, None


def _trust(rng: random.Random, house: House) -> Made:
    trust = copy.deepcopy(house.trust)
    way = rng.randrange(3)
    if way == 0:
        key = rng.choice(trust[rng.choice(["worker_keys", "sealing_keys"])])
        name = rng.choice(["not_before", "not_after", "revoked_at"])
        key[name] = rng.choice(["2020-01-01T00:00:00Z", "2040-01-01T00:00:00Z", "2040-01-01", 5, ""])
        return f"{name} {key[name]}", house.package, json.dumps(trust).encode()
    if way == 1:
        policy = trust["policies"][0]
        name = rng.choice(["tsa_quorum", "witness_quorum", "max_skew_seconds", "id"])
        policy[name] = rng.choice([0, 1, 2, 3, True, "1", 1.0, -1])
        return f"{name} {policy[name]!r}", house.package, json.dumps(trust).encode()
    return _alter(rng, trust), house.package, json.dumps(trust).encode()


def _redacted(rng: random.Random, house: House) -> Made:
    artefacts = sorted(sample_artefacts())
    removed = sorted(rng.sample(artefacts, rng.randrange(1, 4)))
    document: Any = {"removed": list(removed), "v": 1}
    files = {name: data for name, data in house.files.items() if name not in removed}
    what = "right"
    if rng.random() < 0.6:
        what = _alter(rng, document)
    files["evidence/redaction.json"] = _dumped(document) or b"{}"
    return f"{what} without {removed}", house.repacked(files), None


def _disclosure(rng: random.Random, house: House) -> Made:
    statement = json.loads(
        base64.b64decode(json.loads(house.files["evidence/manifest.dsse.json"])["payload"])
    )
    path = rng.choice(sorted(sample_artefacts()))
    entry, proof = house.files["evidence/log.entry.json"], house.files["evidence/log.tlog-proof"].decode()
    document: Any = json.loads(disclosure(statement["predicate"], path, entry, proof))
    artefact, what = house.files[path], "right"
    match rng.randrange(4):
        case 0:
            artefact, what = artefact + b"x", "longer"
        case 1 | 2:
            what = _alter(rng, document)
    schema = document.get("schema")
    if schema != "urn:wangjian:disclosure:v1":
        document["schema"] = "urn:wangjian:disclosure:v1"
    return f"{path} {what}", _dumped(document) or b"{}", None, artefact


def _custody(rng: random.Random, house: House) -> Made:
    event, log = (
        {"at": "2026-11-21T08:00:00Z", "kind": "viewed", "salt": rng.randbytes(8).hex()},
        Log(house.signers),
    )
    written = rfc8785.dumps(event)
    entry: Any = {"event_sha256": hashlib.sha256(written).hexdigest(), "kind": "custody", "v": 1}
    what = "right"
    if rng.random() < 0.3:
        what = "entry " + _alter(rng, entry)
    logged = _dumped(entry) or b"{}"
    document: Any = {
        "schema": "urn:wangjian:custody-proof:v1",
        "document": base64.b64encode(written).decode(),
        "entry": base64.b64encode(logged).decode(),
        "proof": log.append(logged),
    }
    if rng.random() < 0.4:
        what = _alter(rng, document)
        document["schema"] = "urn:wangjian:custody-proof:v1"
    return what, _dumped(document) or b"{}", None, None


_KINDS: tuple[Kind, ...] = (
    _disclosure, _custody, _octets, _statement, _files, _proof, _note, _statement, _stamps, _batch, _trust,
    _redacted, _right,
)  # fmt: skip


def _dumped(value: Any) -> bytes | None:
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, ValueError):
        return None


def _alter(rng: random.Random, value: Any) -> str:
    """Change one thing somewhere in JSON values; gives what."""
    trail = ""
    while True:
        inner = value.values() if isinstance(value, dict) else value
        deeper = [one for one in inner if isinstance(one, dict | list) and one]
        if not deeper or rng.random() < 0.35:
            break
        value = rng.choice(deeper)
        trail += "/…"
    if isinstance(value, dict):
        name = rng.choice(sorted(value)) if value else "new"
        match rng.choice(["odd", "odd", "odd", "drop", "add", "case"]):
            case "odd":
                value[name] = rng.choice(ODD)
            case "drop":
                value.pop(name, None)
            case "add":
                value["zz"] = rng.choice(ODD)
            case "case" if isinstance(value.get(name), str):
                value[name] = value[name].upper()
        return f"{trail}/{name}"
    at = rng.randrange(len(value) + 1)
    match rng.choice(["odd", "drop", "twice", "swap"]):
        case "odd":
            value[at : at + 1] = [rng.choice(ODD)]
        case "drop":
            del value[at : at + 1]
        case "twice":
            value[at:at] = copy.deepcopy(value[:1])
        case "swap":
            value.reverse()
    return f"{trail}[{at}]"


def name_of(mutant: Mutant) -> str:
    """A file name for a case."""
    return hashlib.sha256(mutant.package + mutant.trust + mutant.what.encode()).hexdigest()[:24]
