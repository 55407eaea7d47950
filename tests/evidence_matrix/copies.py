"""Redacted copies, disclosures and custody proofs."""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator

import rfc8785

from tests.evidence_matrix.world import Attempt, Case, World
from tests.evidence_samples import Log

_PNG, _TEXT = "evidence/page.png", "evidence/text.txt"


def cases() -> Iterator[Case]:
    """All of them."""
    yield from _redactions()
    yield from _disclosures()
    yield from _disclosed_values()
    yield from _entries()
    yield from _custody()


def _redactions() -> Iterator[Case]:
    def case(name: str, code: str, make) -> Case:
        return Case("redaction", name, code, make)

    yield case("an artefact left out without saying so", "artefacts.set", lambda w: w.careful({_PNG: None}))
    yield case("one more left out than said", "artefacts.set", lambda w: w.redacted([_PNG, _TEXT], [_PNG]))
    yield case(
        "one said to be left out that is there", "artefacts.set", lambda w: w.redacted([_PNG], [_PNG, _TEXT])
    )
    yield case("nothing left out", "artefacts.set", lambda w: w.redacted([], []))
    yield case("said in another order", "artefacts.set", lambda w: w.redacted([_PNG, _TEXT], [_TEXT, _PNG]))
    yield case("said twice", "artefacts.set", lambda w: w.redacted([_PNG], [_PNG, _PNG]))
    yield case(
        "a file that never was", "artefacts.set", lambda w: w.redacted([_PNG], ["evidence/a.png", _PNG])
    )
    yield case("said as a text", "artefacts.set", lambda w: w.redacted([_PNG], _PNG))
    yield case(
        "a proof left out",
        "zip.members",
        lambda w: w.redacted(["evidence/log.tlog-proof"], ["evidence/log.tlog-proof"]),
    )
    yield case("a remaining file changed", "artefacts.sha256", _changed_copy)
    yield case("the manifest's entry removed as well", "signature.worker", _silent)


def _changed_copy(world: World) -> Attempt:
    files = {
        **world.files,
        "evidence/redaction.json": rfc8785.dumps({"removed": [_PNG], "v": 1}),
        _TEXT: b"x" * 24,
    }
    del files[_PNG]
    return Attempt(world.repack(files))


def _silent(world: World) -> Attempt:
    """The artefact taken out of the manifest too, the old signatures kept."""
    statement = world.statement
    at = next(n for n, item in enumerate(statement["predicate"]["artifacts"]) if item["path"] == _PNG)
    del statement["predicate"]["artifacts"][at], statement["subject"][at]
    payload = base64.b64encode(rfc8785.dumps(statement)).decode()
    made = world.json("evidence/manifest.dsse.json", lambda e: e.update(payload=payload))
    files = World.unzip(made.data)
    del files[_PNG]
    return Attempt(world.repack(files))


def _disclosures() -> Iterator[Case]:
    def case(name: str, code: str, change) -> Case:
        return Case("disclosure", name, code, lambda w: w.disclosed(_TEXT, change))

    def file(name: str, change) -> Case:
        def make(world: World) -> Attempt:
            honest = world.disclosed(_TEXT)
            return Attempt(honest.data, kind="disclosure", file=change(honest.file))

        return Case("disclosure", name, "artefact.file", make)

    yield file("the file changed", lambda data: b"y" + data[1:])
    yield file("the file cut short", lambda data: data[:-1])
    yield file("the file made longer", lambda data: data + b"\n")
    yield file("no file", lambda data: None)
    for field, value in (
        ("sha256", "0" * 64),
        ("sm3", "0" * 64),
        ("bytes", 1),
        ("salt", "0" * 32),
        ("path", "evidence/a.txt"),
        ("role", "screenshot"),
        ("created", "2020-01-01T00:00:00Z"),
    ):
        yield case(
            f"artefact.{field} edited",
            "artefacts.merkle",
            lambda d, f=field, v=value: d["artefact"].update({f: v}),
        )
    yield case("a member of the artefact left out", "disclosure.form", lambda d: d["artefact"].pop("salt"))
    yield case("a member added to the artefact", "artefacts.merkle", lambda d: d["artefact"].update(note="x"))
    yield case("a member added", "disclosure.form", lambda d: d.update(note="x"))
    yield case("a member left out", "disclosure.form", lambda d: d.pop("size"))
    yield case("unknown schema", "disclosure.form", lambda d: d.update(schema="urn:wangjian:disclosure:v2"))
    yield case("another index", "artefacts.merkle", lambda d: d.update(index=d["index"] - 1))
    yield case("an index outside the tree", "artefacts.merkle", lambda d: d.update(index=99))
    yield case("another size", "artefacts.merkle", lambda d: d.update(size=100))
    yield case("a path without its last hash", "artefacts.merkle", lambda d: d["hashes"].pop())
    yield case("a path with a hash more", "artefacts.merkle", lambda d: d["hashes"].append(d["hashes"][0]))
    yield case("a path with two hashes exchanged", "artefacts.merkle", lambda d: d["hashes"].reverse())
    yield case("a short hash", "artefacts.merkle", lambda d: d["hashes"].__setitem__(0, "AAAA"))
    yield case("the entry's number edited", "log.inclusion", lambda d: _entry(d, b"00000001", b"00000002"))
    yield case(
        "the entry's root edited",
        "artefacts.merkle",
        lambda d: _entry(d, b'"merkle_root":"', b'"merkle_root":"0'),
    )
    yield case("the entry of an order", "log.entry", lambda d: _entry(d, b'"seal"', b'"order"'))
    yield case("the entry not canonical", "log.entry", lambda d: _entry(d, b'{"', b'{ "'))
    yield case(
        "the proof without its cosignatures", "log.witness", lambda d: d.update(proof=_uncosigned(d["proof"]))
    )
    yield case(
        "the proof of another leaf",
        "log.inclusion",
        lambda d: d.update(proof=d["proof"].replace("index 1\n", "index 2\n")),
    )
    yield case("no proof", "log.checkpoint", lambda d: d.update(proof=""))
    yield Case(
        "disclosure",
        "another spelling of the JSON",
        "disclosure.form",
        lambda w: _spelled(w.disclosed(_TEXT)),
    )
    yield Case("disclosure", "the artefact of another package", "log.inclusion", _foreign)


def _disclosed_values() -> Iterator[Case]:
    def case(name: str, code: str, change: Callable[[dict], object]) -> Case:
        return Case("disclosure", name, code, lambda w: w.disclosed(_TEXT, change))

    for name in ("index", "size"):
        for value in ("1", True, 1.5, None):
            yield case(
                f"{name} as {value!r}", "artefacts.merkle", lambda d, n=name, v=value: d.update({n: v})
            )
    yield case("the entry not base64", "disclosure.form", lambda d: d.update(entry="!"))
    yield case("the proof as a list", "disclosure.form", lambda d: d.update(proof=[]))
    yield case("the hashes as a text", "artefacts.merkle", lambda d: d.update(hashes="AAAA"))
    yield case("the artefact as a list", "disclosure.form", lambda d: d.update(artefact=[]))


def _entries() -> Iterator[Case]:
    """The entry of a disclosure replaced by something else that is canonical JSON."""

    def case(name: str, change: Callable[[dict], object]) -> Case:
        def make(world: World) -> Attempt:
            def put(document: dict) -> None:
                entry = json.loads(base64.b64decode(document["entry"]))
                made = change(entry)
                document["entry"] = base64.b64encode(rfc8785.dumps(made or entry)).decode()

            return world.disclosed(_TEXT, put)

        return Case("disclosure", f"the entry {name}", "log.entry", make)

    yield case("without its stamps", lambda e: e.pop("stamps_sha256") and None)
    yield case("with a member more", lambda e: e.update(note="x"))
    yield case("a list", lambda e: [1])
    yield case("a text", lambda e: "seal")
    yield case("of version 1", lambda e: e.update(v=1))
    yield case("with a number that is none", lambda e: e.update(evidence_no="WJ-1"))
    yield case("with a number that is no text", lambda e: e.update(evidence_no=7))


def _entry(document: dict, old: bytes, new: bytes) -> None:
    entry = base64.b64decode(document["entry"])
    assert old in entry
    document["entry"] = base64.b64encode(entry.replace(old, new, 1)).decode()


def _uncosigned(proof: str) -> str:
    lines = proof.split("\n")
    return "\n".join([*lines[:-3], ""])


def _spelled(attempt: Attempt) -> Attempt:
    return Attempt(attempt.data.replace(b'{"', b'{ "', 1), kind=attempt.kind, file=attempt.file)


def _foreign(world: World) -> Attempt:
    """A disclosure whose own Merkle tree and entry are right, with the log's proof of another seal."""
    attacker = World(("ed25519",), 2)
    own = attacker.disclosed(_TEXT, lambda d: d.update(proof=world.files["evidence/log.tlog-proof"].decode()))
    return Attempt(own.data, kind="disclosure", file=own.file)


def _custody() -> Iterator[Case]:
    def case(name: str, code: str, change) -> Case:
        return Case("custody", name, code, lambda w: w.custody(change))

    yield case("the event edited", "log.entry", lambda d: _event(d, b"viewed", b"edited"))
    yield case("the event not canonical", "custody.form", lambda d: _event(d, b'{"', b'{ "'))
    yield case("the event edited, and the entry with it", "log.inclusion", _both)
    yield case(
        "the event is no JSON", "custody.form", lambda d: d.update(document=base64.b64encode(b"x").decode())
    )
    yield case(
        "the event is a list", "custody.form", lambda d: d.update(document=base64.b64encode(b"[]").decode())
    )
    yield case("the entry of another kind", "log.entry", lambda d: _entry(d, b'"custody"', b'"order"'))
    yield case("a member added", "custody.form", lambda d: d.update(note="x"))
    yield case("a member left out", "custody.form", lambda d: d.pop("entry"))
    yield case(
        "another index",
        "log.inclusion",
        lambda d: d.update(proof=d["proof"].replace("index 1\n", "index 0\n")),
    )
    yield case("without cosignatures", "log.witness", lambda d: d.update(proof=_uncosigned(d["proof"])))
    yield case("base64 with a line break", "custody.form", lambda d: d.update(document=d["document"] + "\n"))
    yield Case(
        "custody",
        "of another deployment's log",
        "log.checkpoint",
        lambda w: Attempt(World(("ed25519",), 2).custody().data, kind="custody"),
    )
    yield Case("custody", "another spelling of the JSON", "custody.form", lambda w: _spelled(w.custody()))
    yield Case("custody", "logged, then the log rewritten without it", "log.inclusion", _rewritten)


def _event(document: dict, old: bytes, new: bytes) -> None:
    event = base64.b64decode(document["document"]).replace(old, new, 1)
    document["document"] = base64.b64encode(event).decode()


def _both(document: dict) -> None:
    _event(document, b"viewed", b"edited")
    digest = hashlib.sha256(base64.b64decode(document["document"])).hexdigest()
    entry = rfc8785.dumps({"event_sha256": digest, "kind": "custody", "v": 1})
    document["entry"] = base64.b64encode(entry).decode()


def _rewritten(world: World) -> Attempt:
    def change(document: dict) -> None:
        log = Log(world.signers)
        document["proof"] = log.append(b"something else")

    return world.custody(change)
