"""The Merkle tree, tiles and notes: against RFC 6962's recursion, known roots, and every size up to 130."""

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from infra.custodian.identity import load_or_create
from infra.custodian.witness import Request, Witness, parse_request
from services.evidence.log import tiles
from services.evidence.log.merkle import (
    EMPTY_ROOT,
    MerkleTree,
    is_consistent,
    leaf_hash,
    node_hash,
    root_from_inclusion,
)
from services.evidence.log.notes import (
    Checkpoint,
    NoteError,
    log_key,
    open_checkpoint,
    parse_body,
    parse_vkey,
    sign_checkpoint,
)

SIZES = range(1, 131)


def reference_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962 §2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    cut = 1
    while cut * 2 < len(leaves):
        cut *= 2
    return hashlib.sha256(b"\x01" + reference_root(leaves[:cut]) + reference_root(leaves[cut:])).digest()


@pytest.fixture(scope="module")
def tree() -> MerkleTree:
    built = MerkleTree()
    for number in range(max(SIZES)):
        built.append(leaf_hash(b"%d" % number))
    return built


def test_known_roots_of_certificate_transparency():
    inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", bytes(range(0x60, 0x70)).hex()]
    roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ]
    built = MerkleTree()
    assert built.root() == EMPTY_ROOT
    for data, root in zip(inputs, roots, strict=True):
        built.append(leaf_hash(bytes.fromhex(data)))
        assert built.root().hex() == root


def test_roots_of_every_size_follow_the_recursion(tree):
    leaves = [b"%d" % number for number in range(max(SIZES))]
    for size in SIZES:
        assert tree.root(size) == reference_root(leaves[:size])


def test_inclusion_proofs_of_every_leaf_in_every_size(tree):
    for size in SIZES:
        root = tree.root(size)
        for index in range(size):
            proof = tree.inclusion_proof(index, size)
            assert root_from_inclusion(leaf_hash(b"%d" % index), index, size, proof) == root


def test_consistency_proofs_between_all_sizes(tree):
    roots = {0: EMPTY_ROOT} | {size: tree.root(size) for size in SIZES}
    for new in SIZES:
        for old in range(new + 1):
            proof = tree.consistency_proof(old, new)
            assert is_consistent(old, roots[old], new, roots[new], proof)
            if 0 < old < new:
                assert not is_consistent(old, roots[old - 1], new, roots[new], proof)
                assert not is_consistent(old, roots[old], new, roots[new - 1], proof)


@given(st.integers(2, 130), st.data())
def test_a_changed_proof_never_leads_to_the_root(tree, size, data):
    index = data.draw(st.integers(0, size - 1))
    proof = tree.inclusion_proof(index, size)
    at, flip = data.draw(st.integers(0, len(proof) * 32 - 1)), data.draw(st.integers(1, 255))
    changed = [bytearray(item) for item in proof]
    changed[at // 32][at % 32] ^= flip
    found = root_from_inclusion(leaf_hash(b"%d" % index), index, size, [bytes(item) for item in changed])
    assert found != tree.root(size)
    with pytest.raises(ValueError, match="too"):
        root_from_inclusion(leaf_hash(b"%d" % index), index, size, [*proof, proof[0]])
    with pytest.raises(ValueError, match="too"):
        root_from_inclusion(leaf_hash(b"%d" % index), index, size, proof[:-1])


@given(st.integers(2, 130), st.integers(1, 129))
def test_truncate_forgets_a_batch_completely(tree, size, keep):
    keep = min(keep, size - 1)
    built = MerkleTree()
    for number in range(size):
        built.append(leaf_hash(b"%d" % number))
    built.truncate(keep)
    assert built.size == keep
    for number in range(keep, size):
        built.append(leaf_hash(b"%d" % number))
    assert built.root() == tree.root(size)
    assert built.levels[1] == tree.levels[1][: len(built.levels[1])]


def test_tile_paths_are_those_of_the_specification():
    assert tiles.tile_path(0, 1234067) == "0/x001/x234/067"
    assert tiles.tile_path(1, 5, 17) == "1/005.p/17"
    assert tiles.is_tile_path("0/x001/x234/067")
    assert tiles.is_tile_path("entries/000.p/3")
    for bad in ("../checkpoint", "0/000/../../x", "64/000", "0/00", "0/000.p/0", "0//000", ".0/000"):
        assert not tiles.is_tile_path(bad)


def test_tiles_of_a_growing_tree_hold_every_hash_once(tmp_path):
    built, entries, old = MerkleTree(), [], 0
    for new in (1, 3, 255, 256, 257, 700, 70_000):
        while built.size < new:
            entries.append(b"%d" % built.size)
            built.append(leaf_hash(entries[-1]))
        tiles.publish(tmp_path, tiles.all_tiles(built, lambda a, b: entries[a:b], old, new))
        old = new
    level_0 = sorted((tmp_path / "tile" / "0").rglob("*"))
    files = [path for path in level_0 if path.is_file()]
    assert len(files) == 274
    joined = b"".join(path.read_bytes() for path in files if ".p" not in path.parent.name)
    assert joined == bytes(built.levels[0][: 273 * 256 * 32])
    partial = tmp_path / "tile" / "0" / "273.p" / "112"
    assert partial.read_bytes() == bytes(built.levels[0][273 * 256 * 32 :])
    assert (tmp_path / "tile/2/000.p/1").read_bytes() == built.node(16, 0)
    assert (tmp_path / "tile/1/001.p/17").exists()
    first = (tmp_path / "tile/entries/000").read_bytes()
    assert first[:6] == b"\x00\x010\x00\x011"


def test_notes_round_trip_and_refuse_anything_else():
    key = Ed25519PrivateKey.generate()
    public = log_key("example.test/log", key)
    head = Checkpoint("example.test/log", 7, b"r" * 32)
    note = sign_checkpoint(head, key)
    assert open_checkpoint(note, public) == head
    assert parse_vkey(public.vkey) == public
    for bad in (
        note.replace("\n7\n", "\n07\n"),
        note.replace("\n7\n", "\n8\n"),
        note + "x",
        note.replace("— ", "- "),
        note.partition("\n\n")[0],
        note.replace("example.test/log\n", "other.test/log\n", 1),
    ):
        with pytest.raises(NoteError):
            open_checkpoint(bad, public)
    with pytest.raises(NoteError):
        parse_body("a\n1\n" + base64.b64encode(b"x" * 31).decode() + "\n")
    with pytest.raises(NoteError):
        parse_vkey(public.vkey.replace("example.test", "evil.test"))


class Opened:
    """A witness and a log it watches."""

    def __init__(self, folder) -> None:
        self.key, self.folder, self.tree = Ed25519PrivateKey.generate(), folder, MerkleTree()
        self.public = log_key("w.test/log", self.key)
        self.open()

    def open(self) -> None:
        self.witness = Witness(load_or_create(self.folder), self.public, self.folder / "witness")

    def grow(self, count: int, word: bytes = b"leaf") -> None:
        for _ in range(count):
            self.tree.append(leaf_hash(word + b"%d" % self.tree.size))

    def ask(self, old: int, *, proof: list[bytes] | None = None, key=None):
        head = Checkpoint("w.test/log", self.tree.size, self.tree.root())
        hashes = self.tree.consistency_proof(old, self.tree.size) if proof is None else proof
        return self.witness.add_checkpoint(Request(old, hashes, sign_checkpoint(head, key or self.key)))


def test_witness_cosigns_growth_and_answers_409_422_403_400(tmp_path):
    log = Opened(tmp_path)
    log.grow(3)
    assert log.ask(0).status == 200
    log.grow(4)
    stale = log.ask(0)
    assert (stale.status, stale.body, stale.content_type) == (409, "3\n", "text/x.tlog.size")
    assert log.ask(3, proof=[b"x" * 32]).status == 422
    assert log.ask(3, key=Ed25519PrivateKey.generate()).status == 403
    assert log.ask(3).status == 200
    assert log.ask(7).status == 200, "the same head may be cosigned again"
    assert log.ask(8, proof=[]).status == 400
    for bad in (b"old 01\n\nx", b"\xff", b"old 1", "old \u0661\n\nx".encode(), b"old 1\n!\n\nx"):
        with pytest.raises(ValueError):
            parse_request(bad)


def test_witness_remembers_over_a_restart_and_refuses_a_rewritten_log(tmp_path):
    log = Opened(tmp_path)
    log.grow(5)
    assert log.ask(0).status == 200
    log.open()
    assert log.ask(0).status == 409
    log.tree = MerkleTree()
    log.grow(2, b"other")
    log.grow(4)
    assert log.ask(5).status == 422, "a leaf was replaced and the tree rebuilt"
    log.tree = MerkleTree()
    log.grow(5, b"other")
    assert log.ask(5).status == 409, "same size, another root"
    log.tree = MerkleTree()
    log.grow(3)
    assert log.ask(3).status == 409, "an old backup was restored"


def test_node_hash_is_not_a_leaf_hash():
    assert node_hash(b"a" * 32, b"b" * 32) != leaf_hash(b"a" * 32 + b"b" * 32)
