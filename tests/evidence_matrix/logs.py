"""The transparency log: entry, proof, checkpoint, witnesses, and what it was before."""

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import rfc8785

from services.evidence.log.notes import COSIGNATURE_V1, Checkpoint, NoteKey, cosign, sign_checkpoint
from services.evidence.log.proofs import format_consistency, format_proof
from tests.evidence_matrix.world import CONSISTENCY, ENTRY, PROOF, Attempt, Case, World
from tests.evidence_samples import ORIGIN, Log, Signers, witness_name

_NOW = 1_800_000_000


def cases() -> Iterator[Case]:
    """All of them."""
    yield from _entries()
    yield from _proofs()
    yield from _checkpoints()
    yield from _witnesses()
    yield from _growth()


def _entries() -> Iterator[Case]:
    values: dict[str, Any] = {
        "envelope_sha256": "0" * 64,
        "evidence_id": "01JD0000000000000000000001",
        "merkle_root": "0" * 64,
        "kind": "order",
        "v": 1,
        "stamps_sha256": [],
        "evidence_no": "WJ-360121-2026-00000002",
    }
    for name, value in values.items():
        code = "log.inclusion" if name == "evidence_no" else "log.entry"
        yield Case(
            "log entry",
            f"{name} edited",
            code,
            lambda w, n=name, v=value: w.json(ENTRY, lambda e: e.update({n: v})),
        )
        yield Case(
            "log entry", f"{name} left out", "log.entry", lambda w, n=name: w.json(ENTRY, lambda e: e.pop(n))
        )
    yield Case(
        "log entry", "a member added", "log.entry", lambda w: w.json(ENTRY, lambda e: e.update(note="x"))
    )
    yield Case(
        "log entry",
        "stamps in another order",
        "log.entry",
        lambda w: w.json(ENTRY, lambda e: e["stamps_sha256"].reverse()),
    )
    yield Case("log entry", "not canonical", "log.entry", lambda w: w.text(ENTRY, lambda t: t + "\n"))
    yield Case(
        "log entry", "a duplicate key", "log.entry", lambda w: w.text(ENTRY, lambda t: t[:-1] + ',"v":2}')
    )
    for number in ("", "WJ-1-2026-00000001", "XX-360121-2026-00000001", "WJ-360121-2026-00000001x", None, 7):
        yield Case(
            "log entry",
            f"a number that is none: {number!r}, logged as such",
            "log.entry",
            _logged_number(number),
        )


def _logged_number(number: Any) -> Callable[[World], Attempt]:
    def make(world: World) -> Attempt:
        entry = rfc8785.dumps({**json.loads(world.files[ENTRY]), "evidence_no": number})
        log = Log(world.signers)
        proof = log.append(entry).encode()
        return world.careful({ENTRY: entry, PROOF: proof, CONSISTENCY: log.consistency(1)})

    return make


def _proofs() -> Iterator[Case]:
    def text(name: str, code: str, change: Callable[[list[str]], list[str]]) -> Case:
        return Case(
            "log proof", name, code, lambda w: w.text(PROOF, lambda t: "\n".join(change(t.split("\n"))))
        )

    yield text("another index", "log.inclusion", lambda t: [t[0], "index 2", *t[2:]])
    yield text("an index outside the tree", "log.inclusion", lambda t: [t[0], "index 99", *t[2:]])
    yield text("an index with a leading zero", "log.checkpoint", lambda t: [t[0], "index 01", *t[2:]])
    yield text("a negative index", "log.checkpoint", lambda t: [t[0], "index -1", *t[2:]])
    yield text("an index in other digits", "log.checkpoint", lambda t: [t[0], "index \u0661", *t[2:]])
    yield text("an extra line", "log.checkpoint", lambda t: [t[0], "extra AAAA", *t[1:]])
    yield text("another version", "log.checkpoint", lambda t: [t[0].replace("v1", "v2"), *t[1:]])
    yield text("a hash edited", "log.inclusion", lambda t: [*t[:2], t[3], *t[3:]])
    yield text("a hash left out", "log.inclusion", lambda t: [*t[:2], *t[3:]])
    yield text("a hash added", "log.inclusion", lambda t: [*t[:2], t[2], *t[2:]])
    yield text("two hashes exchanged", "log.inclusion", lambda t: [*t[:2], t[3], t[2], *t[4:]])
    yield text("a short hash", "log.checkpoint", lambda t: [*t[:2], "AAAA", *t[3:]])
    yield text("no line break at the end", "log.checkpoint", lambda t: t[:-1])
    yield text("a line break more", "log.checkpoint", lambda t: [*t, ""])
    yield text("line ends of Windows", "log.checkpoint", lambda t: [line + "\r" for line in t])
    yield Case(
        "log proof", "bytes that are not UTF-8", "log.checkpoint", lambda w: w.careful({PROOF: b"\xff"})
    )
    yield Case("log proof", "of another leaf", "log.inclusion", _other_leaf)
    yield Case("log proof", "of another package", "log.inclusion", _other_package)


def _other_leaf(world: World) -> Attempt:
    log = Log(world.signers)
    log.append(world.files[ENTRY])
    proof = format_proof(2, log.tree.inclusion_proof(2, log.tree.size), log.checkpoint())
    return world.careful({PROOF: proof.encode()})


def _other_package(world: World) -> Attempt:
    statement = world.statement
    statement["predicate"]["method"]["other"] = True
    return world.careful({PROOF: World.unzip(world.seal(statement))[PROOF]})


def _parts(world: World) -> tuple[str, str, list[str]]:
    """(head of the proof, checkpoint text, its signature lines)."""
    head, _, note = world.files[PROOF].decode().partition("\n\n")
    body, _, lines = note.rpartition("\n\n")
    return head, body + "\n", lines.splitlines(keepends=True)


def _noted(name: str, code: str, change: Callable[[World, str, list[str]], str]) -> Case:
    """The checkpoint of the proof replaced. change: text and lines → note."""

    def make(world: World) -> Attempt:
        head, body, lines = _parts(world)
        return world.careful({PROOF: f"{head}\n\n{change(world, body, lines)}".encode()})

    return Case("checkpoint", name, code, make)


def _head(body: str, **changes: Any) -> Checkpoint:
    origin, size, root, _ = body.split("\n")
    values = {"origin": origin, "size": int(size), "root": base64.b64decode(root)} | changes
    return Checkpoint(**values)


def _checkpoints() -> Iterator[Case]:
    yield _noted(
        "tree size edited", "log.checkpoint", lambda w, b, s: b.replace("\n5\n", "\n6\n") + "\n" + "".join(s)
    )
    yield _noted("root edited", "log.checkpoint", lambda w, b, s: b[:-4] + "A=\n" + "\n" + "".join(s))
    yield _noted(
        "origin edited",
        "log.checkpoint",
        lambda w, b, s: b.replace(ORIGIN, "evil.test/log") + "\n" + "".join(s),
    )
    yield _noted("an extension line", "log.checkpoint", lambda w, b, s: b + "extra\n\n" + "".join(s))
    yield _noted(
        "a size with a leading zero",
        "log.checkpoint",
        lambda w, b, s: b.replace("\n5\n", "\n05\n") + "\n" + "".join(s),
    )
    yield _noted("the log's signature left out", "log.checkpoint", lambda w, b, s: b + "\n" + "".join(s[1:]))
    yield _noted("the log's signature twice", "log.checkpoint", lambda w, b, s: b + "\n" + s[0] + "".join(s))
    yield _noted(
        "signed by another key under the log's name",
        "log.checkpoint",
        lambda w, b, s: sign_checkpoint(_head(b), Signers().log) + "".join(s[1:]),
    )
    yield _noted(
        "of another log, well signed by its own key",
        "log.checkpoint",
        lambda w, b, s: sign_checkpoint(_head(b, origin="evil.test/log"), Signers().log) + "".join(s[1:]),
    )
    yield _noted(
        "another tree of the same size, signed by the log (split view)", "log.inclusion", _split_view
    )
    yield _noted(
        "an older tree without the entry (stale)",
        "log.inclusion",
        lambda w, b, s: _cosigned(w, Log(w.signers)),
    )
    yield _noted(
        "a hyphen instead of the dash",
        "log.checkpoint",
        lambda w, b, s: b + "\n" + "".join(s).replace("—", "-"),
    )
    yield _noted(
        "two spaces in a signature line",
        "log.checkpoint",
        lambda w, b, s: b + "\n" + "".join(s).replace("— ", "—  "),
    )
    yield _noted(
        "a signature line without signature",
        "log.checkpoint",
        lambda w, b, s: b + "\n" + "".join(s) + f"— {ORIGIN}\n",
    )


def _cosigned(world: World, log: Log) -> str:
    return log.checkpoint()


def _split_view(world: World, body: str, lines: list[str]) -> str:
    """The log and its witnesses sign a tree in which another entry stands in this one's place."""
    other = Log(world.signers)
    other.append(b"another entry")
    return other.checkpoint()


def _witnesses() -> Iterator[Case]:
    yield _noted("one cosignature of two left out", "log.witness", lambda w, b, s: b + "\n" + "".join(s[:2]))
    yield _noted("all cosignatures left out", "log.witness", lambda w, b, s: b + "\n" + s[0])
    yield _noted("one witness twice", "log.checkpoint", lambda w, b, s: b + "\n" + "".join([*s[:2], s[1]]))
    yield _noted(
        "one witness twice, at two times",
        "log.checkpoint",
        lambda w, b, s: b + "\n" + "".join(s[:2]) + cosign(b, witness_name(0), w.signers.witnesses[0], _NOW),
    )
    yield _noted(
        "an unknown witness",
        "log.checkpoint",
        lambda w, b, s: b + "\n" + "".join(s) + cosign(b, "evil.test/w", Signers().witness, _NOW),
    )
    yield _noted(
        "another key under a witness's name",
        "log.checkpoint",
        lambda w, b, s: b + "\n" + "".join(s[:2]) + cosign(b, witness_name(1), Signers().witness, _NOW),
    )
    yield _noted(
        "a cosignature of another checkpoint",
        "log.checkpoint",
        lambda w, b, s: (
            b + "\n" + "".join(s[:2]) + cosign("other\n1\nx\n", witness_name(1), w.signers.witnesses[1], _NOW)
        ),
    )
    yield _noted("a cosignature whose time was moved", "log.checkpoint", _moved)
    yield _noted(
        "a cosignature of a time out of range",
        "log.checkpoint",
        lambda w, b, s: (
            b + "\n" + "".join(s[:2]) + cosign(b, witness_name(1), w.signers.witnesses[1], 1 << 40)
        ),
    )
    yield _noted(
        "cosigned before it was stamped",
        "time.order",
        lambda w, b, s: (
            b
            + "\n"
            + s[0]
            + "".join(cosign(b, witness_name(n), key, _NOW // 2) for n, key in enumerate(w.signers.witnesses))
        ),
    )
    yield Case(
        "checkpoint",
        "two witnesses of one operator",
        "log.witness",
        lambda w: w.trusting(lambda t: t["witnesses"][1].update(operator=t["witnesses"][0]["operator"])),
    )
    yield Case("checkpoint", "one key as two witnesses", "log.checkpoint", _alias)
    yield _noted(
        "the log as its own witness",
        "log.checkpoint",
        lambda w, b, s: b + "\n" + "".join(s[:2]) + cosign(b, ORIGIN, w.signers.log, _NOW),
    )


def _moved(world: World, body: str, lines: list[str]) -> str:
    line = lines[2].split(" ")
    blob = bytearray(base64.b64decode(line[2]))
    blob[11] ^= 1
    moved = f"{line[0]} {line[1]} {base64.b64encode(bytes(blob)).decode()}\n"
    return body + "\n" + "".join([*lines[:2], moved])


def _alias(world: World) -> Attempt:
    """The first witness's key under a second name, of a second operator."""
    head, body, lines = _parts(world)
    key = world.signers.witnesses[0]
    alias = NoteKey("alias.test/w", COSIGNATURE_V1, key.public_key()).vkey
    line = cosign(body, "alias.test/w", key, _NOW)
    package = world.careful({PROOF: f"{head}\n\n{body}\n{''.join([*lines[:2], line])}".encode()}).data
    return world.trusting(
        lambda t: t["witnesses"].append({"name": "alias", "operator": "alias", "vkey": alias}), package
    )


def _growth() -> Iterator[Case]:
    def edited(name: str, change: Callable[[dict[str, Any]], object]) -> Case:
        return Case("consistency", name, "beacon.consistency", lambda w: w.json(CONSISTENCY, change))

    yield edited("another old size", lambda d: d.update(old=2))
    yield edited("another new size", lambda d: d.update(new=4))
    yield edited("sizes of two shards, though it is one", lambda d: d.update(old=0, new=0, hashes=[]))
    yield edited("a hash edited", lambda d: d["hashes"].__setitem__(0, d["hashes"][1]))
    yield edited("a hash left out", lambda d: d["hashes"].pop())
    yield edited("a hash added", lambda d: d["hashes"].append(d["hashes"][0]))
    yield edited("no hashes", lambda d: d.update(hashes=[]))
    yield edited("a short hash", lambda d: d["hashes"].__setitem__(0, "AAAA"))
    yield edited("a member added", lambda d: d.update(note="x"))
    yield edited("unknown version", lambda d: d.update(v=2))
    yield edited("a list instead of an object", lambda d: d.clear())
    yield Case(
        "consistency", "not canonical", "beacon.consistency", lambda w: w.text(CONSISTENCY, lambda t: t + " ")
    )
    yield Case(
        "consistency",
        "a rewritten log: the order's leaf replaced, the tree rebuilt",
        "beacon.consistency",
        _rewritten(b"forged order"),
    )
    yield Case(
        "consistency",
        "a rewritten log: the order's leaf removed, the tree rebuilt",
        "beacon.checkpoint",
        _rewritten(None),
    )
    yield Case(
        "consistency",
        "a rewritten log with an honest proof of itself",
        "beacon.consistency",
        _rewritten(b"forged order", honest=True),
    )


def _rewritten(first: bytes | None, *, honest: bool = False) -> Callable[[World], Attempt]:
    """The log built anew by somebody with its key and the witnesses' keys, the beacon quoted before."""

    def make(world: World) -> Attempt:
        log = world.leaves(*([first] if first is not None else []))
        entry = world.files[ENTRY]
        proof = log.append(entry)
        old = 1
        hashes = (
            log.tree.consistency_proof(old, log.tree.size) if honest or first is None else _old_path(world)
        )
        document = format_consistency(old, log.tree.size, hashes)
        return world.careful({PROOF: proof.encode(), CONSISTENCY: document})

    return make


def _old_path(world: World) -> list[bytes]:
    return [base64.b64decode(item) for item in json.loads(world.files[CONSISTENCY])["hashes"]]
