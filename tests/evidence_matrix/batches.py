"""Time stamps over a batch: the way from an item to the batch's root."""

import base64
from collections.abc import Callable, Iterator
from typing import Any

import rfc8785

from services.common.dsse import Envelope
from services.evidence.log.merkle import MerkleTree, leaf_hash
from services.evidence.timestamps.rules import stamped_message
from tests.evidence_matrix.times import FIRST, stamped
from tests.evidence_matrix.world import Case, Files, World
from tests.evidence_samples import stamp_message

_PATH = "evidence/tst-0.path.json"


def batch(
    world: World, envelope: Envelope, *, others: int = 4, index: int = 2
) -> tuple[Files, dict[str, Any]]:
    """A stamp of the first authority over a batch with this item in it, and the path document."""
    tree = MerkleTree()
    for place in range(others + 1):
        message = stamped_message(envelope) if place == index else b"another item %d" % place
        tree.append(leaf_hash(message))
    root = base64.b64encode(tree.root()).decode()
    text = f"wangjian:stamp-batch:v1\n{tree.size}\n{root}\n".encode()
    path = [base64.b64encode(item).decode() for item in tree.inclusion_proof(index, tree.size)]
    document = {"hashes": path, "index": index, "size": tree.size, "v": 1}
    return {FIRST: stamp_message(world.signers.tsa, text), _PATH: rfc8785.dumps(document)}, document


def cases() -> Iterator[Case]:
    """All of them."""

    def case(name: str, change: Callable[[dict[str, Any]], object], code: str = "timestamp.token") -> Case:
        def make(world: World, envelope: Envelope) -> Files:
            files, document = batch(world, envelope)
            change(document)
            return {**files, _PATH: rfc8785.dumps(document)}

        return Case("batch stamps", name, code, stamped(name, code, make).make)

    yield case("another index", lambda d: d.update(index=3))
    yield case("an index outside the batch", lambda d: d.update(index=5))
    yield case("a negative index", lambda d: d.update(index=-1))
    yield case("another size", lambda d: d.update(size=6))
    yield case("size zero", lambda d: d.update(size=0))
    yield case("an index that is true", lambda d: d.update(index=True))
    yield case("a hash edited", lambda d: d["hashes"].__setitem__(0, d["hashes"][1]))
    yield case("a hash left out", lambda d: d["hashes"].pop())
    yield case("a hash added", lambda d: d["hashes"].append(d["hashes"][0]))
    yield case("a short hash", lambda d: d["hashes"].__setitem__(0, "AAAA"))
    yield case("unknown version", lambda d: d.update(v=2))
    yield case("a member added", lambda d: d.update(root="x"))
    yield Case(
        "batch stamps",
        "the path left out",
        "timestamp.token",
        stamped("", "", lambda w, e: {FIRST: batch(w, e)[0][FIRST]}).make,
    )
    yield Case(
        "batch stamps",
        "a path beside a stamp that is of no batch",
        "timestamp.token",
        stamped("", "", lambda w, e: {_PATH: batch(w, e)[0][_PATH]}).make,
    )
    yield Case(
        "batch stamps",
        "not canonical",
        "timestamp.token",
        stamped("", "", lambda w, e: {**batch(w, e)[0], _PATH: batch(w, e)[0][_PATH] + b"\n"}).make,
    )
    yield Case("batch stamps", "another item's path", "timestamp.token", stamped("", "", _neighbour).make)


def _neighbour(world: World, envelope: Envelope) -> Files:
    """The stamp is over a batch that holds another item in this one's place."""
    other = world.signers.sign(rfc8785.dumps({**world.statement, "other": True}))
    return batch(world, other)[0]
