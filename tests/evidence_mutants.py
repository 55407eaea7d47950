"""Packages and trust files made wrong in many ways, for comparing two verifiers; each can be made again.

Some are made wrong by a stranger (bytes changed afterwards), some by an insider who holds every key and
signs, stamps and logs what he changed. A few are left right.
"""

import base64
import copy
import datetime as dt
import hashlib
import io
import json
import random
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import rfc8785

from services.common.dsse import Envelope
from services.evidence.disclosures.rules import disclosure
from services.evidence.renewals import records
from services.evidence.timestamps.batches import make_batch
from services.evidence.timestamps.rules import stamped_message
from tests.evidence_changes import alter, dumped
from tests.evidence_forger import Sample, regions, zip_of
from tests.evidence_renewal import add, authority, digests, year
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
    record: bytes | None = None
    now: dt.datetime | None = None


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
    made = kind(rng, house)
    if isinstance(made, Mutant):
        return made
    what, package, changed, *artefact = made
    trust = changed or json.dumps(house.trust).encode()
    name = f"{kind.__name__.strip('_')}: {what}"
    return Mutant(name, package, trust, artefact[0] if artefact else None)


Made = tuple[str, bytes, bytes | None] | tuple[str, bytes, None, bytes | None]
Kind = Callable[[random.Random, House], Made | Mutant]


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
        what = alter(rng, value)
        changed = dumped(value)
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
        done.append(alter(rng, statement if rng.random() < 0.3 else statement["predicate"]))
        if dumped(statement) is None:
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
            done[0] = alter(rng, document)
        stamped = stamp_message(house.signers.tsa, batch.text)
        path = dumped(document) or b"{}"
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
    return alter(rng, trust), house.package, json.dumps(trust).encode()


def _redacted(rng: random.Random, house: House) -> Made:
    artefacts = sorted(sample_artefacts())
    removed = sorted(rng.sample(artefacts, rng.randrange(1, 4)))
    document: Any = {"removed": list(removed), "v": 1}
    files = {name: data for name, data in house.files.items() if name not in removed}
    what = "right"
    if rng.random() < 0.6:
        what = alter(rng, document)
    files["evidence/redaction.json"] = dumped(document) or b"{}"
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
            what = alter(rng, document)
    schema = document.get("schema")
    if schema != "urn:wangjian:disclosure:v1":
        document["schema"] = "urn:wangjian:disclosure:v1"
    return f"{path} {what}", dumped(document) or b"{}", None, artefact


def _custody(rng: random.Random, house: House) -> Made:
    event, log = (
        {"at": "2026-11-21T08:00:00Z", "kind": "viewed", "salt": rng.randbytes(8).hex()},
        Log(house.signers),
    )
    written = rfc8785.dumps(event)
    entry: Any = {"event_sha256": hashlib.sha256(written).hexdigest(), "kind": "custody", "v": 1}
    what = "right"
    if rng.random() < 0.3:
        what = "entry " + alter(rng, entry)
    logged = dumped(entry) or b"{}"
    document: Any = {
        "schema": "urn:wangjian:custody-proof:v1",
        "document": base64.b64encode(written).decode(),
        "entry": base64.b64encode(logged).decode(),
        "proof": log.append(logged),
    }
    if rng.random() < 0.4:
        what = alter(rng, document)
        document["schema"] = "urn:wangjian:custody-proof:v1"
    return what, dumped(document) or b"{}", None, None


@cache
def _renewed(house: House) -> tuple[list[bytes], bytes]:
    """A record after one, two and three stamps (the last in a chain with SHA-512), and its trust file."""
    clerks = [authority(name, place) for place, name in enumerate("abc")]
    packages = {"p": house.package, **{f"q{n}": b"package %d" % n for n in range(4)}}
    month = dt.timedelta(days=30)
    first = add({}, records.begin(digests(packages)), clerks[0], year(1) + month)
    second = add(first, records.prolong(first, "sha256"), clerks[1], year(2) - month)
    plan = records.rehash(second, digests(packages, "sha512"), "sha512")
    third = add(second, plan, clerks[2], year(2) + month)
    trust = house.trust | {"tsas": [*house.trust["tsas"], *(clerk.description() for clerk in clerks)]}
    return [first["p"], second["p"], third["p"]], json.dumps(trust).encode()


def _record(rng: random.Random, house: House) -> Mutant:
    made, trust = _renewed(house)
    stage, what = rng.randrange(3), "right"
    record, now = bytearray(made[stage]), year(2 + stage) - dt.timedelta(days=60)
    package = house.package
    match rng.randrange(6):
        case 0 | 1 | 2:
            at = rng.randrange(len(record))
            record[at] ^= 1 << rng.randrange(8)
            what = f"flip at {at}"
        case 3:
            now, what = year(rng.randrange(6)), "another time"
        case 4:
            package, what = package[:-1] + b"x", "another package"
    return Mutant(f"record {stage + 1}: {what}", package, trust, None, bytes(record), now)


_KINDS: tuple[Kind, ...] = (
    _record, _disclosure, _custody, _octets, _statement, _files, _proof, _note, _statement, _stamps, _batch,
    _trust, _redacted, _right,
)  # fmt: skip
