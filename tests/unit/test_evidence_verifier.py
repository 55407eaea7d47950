"""The verifier's parts by themselves: trees, texts, trust files, digests, and what it says of the honest."""

import base64
import datetime as dt
import hashlib
import io
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.evidence.log.merkle import MerkleTree, leaf_hash
from services.evidence.verification.verifier import (
    Failed,
    Unreadable,
    container,
    moment,
    package,
    read_trust,
    signatures,
    tree,
    verify,
    verify_disclosure,
)
from services.evidence.verification.verifier.strict import canonical, strict_json, unbase64
from tests.evidence_matrix.reasons import recorded, steady
from tests.evidence_matrix.world import Attempt, World
from tests.evidence_samples import Signers, make_package, sample_artefacts, sm3


@pytest.fixture(scope="module")
def world() -> World:
    return World()


# --- trees, against the log's own implementation -----------------------------------------------------------


def grown(size: int) -> MerkleTree:
    found = MerkleTree()
    for place in range(size):
        found.append(leaf_hash(b"%d" % place))
    return found


def test_every_path_of_small_trees_leads_to_the_root_and_no_other_does():
    whole = grown(33)
    leaves = [leaf_hash(b"%d" % place) for place in range(33)]
    for size in range(1, 34):
        root = whole.root(size)
        assert tree.tree_root(leaves[:size]) == root
        for index in range(size):
            path = whole.inclusion_proof(index, size)
            assert tree.root_of_path(leaves[index], index, size, path) == root
            for wrong in (path[:-1], [*path, root], [root, *path[1:]]):
                if wrong != path:
                    assert _root_or_none(leaves[index], index, size, wrong) != root
            assert _root_or_none(leaves[index], (index + 1) % size, size, path) != root or size == 1


def _root_or_none(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes | None:
    try:
        return tree.root_of_path(leaf, index, size, path)
    except Failed:
        return None


@pytest.mark.parametrize(("index", "size"), [(-1, 1), (1, 1), (0, 0), (5, 4)])
def test_leaves_outside_the_tree(index, size):
    with pytest.raises(Failed, match="leaf index outside the tree"):
        tree.root_of_path(b"x" * 32, index, size, [])


def test_every_consistency_proof_of_small_trees_holds_and_no_other_does():
    whole = grown(20)
    for new in range(1, 21):
        for old in range(1, new + 1):
            path, roots = whole.consistency_proof(old, new), (whole.root(old), whole.root(new))
            tree.check_consistency(old, roots[0], new, roots[1], path)
            bad: list[tuple[bytes, bytes, list[bytes]]] = [
                (b"x" * 32, roots[1], path),
                (roots[0], b"x" * 32, path),
                (*roots, [*path, b"x" * 32]),
            ]
            bad += [(*roots, path[:-1])] if path else []
            bad += [(*roots, [*path[:n], b"x" * 32, *path[n + 1 :]]) for n in range(len(path))]
            for first, second, wrong in bad:
                with pytest.raises(Failed):
                    tree.check_consistency(old, first, new, second, wrong)


@pytest.mark.parametrize(("old", "new"), [(0, 1), (2, 1), (-1, 1), (0, 0)])
def test_sizes_out_of_order(old, new):
    with pytest.raises(Failed, match="sizes out of order"):
        tree.check_consistency(old, b"x" * 32, new, b"x" * 32, [])


# --- texts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["2026-11-21T08:00:00Z", "2026-11-21T08:00:00.1Z", "2026-11-21T08:00:00.123456Z"]
)
def test_times(text):
    assert moment(text).replace(microsecond=0) == dt.datetime(2026, 11, 21, 8, tzinfo=dt.UTC)
    assert moment(text).utcoffset() == dt.timedelta(0)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-21T08:00:00",
        "2026-11-21T08:00:00+00:00",
        "2026-11-21 08:00:00Z",
        "20261121T080000Z",
        "2026-11-21T08:00Z",
        "2026-W47-6T08:00:00Z",
        "2026-11-21T08:00:00.1234567Z",
        "2026-13-01T00:00:00Z",
        "2026-11-21T24:00:00Z",
        "2026-11-21T08:00:60Z",
        "2026-11-21T08:00:00z",
        "２026-11-21T08:00:00Z",
        "2026-11-21T08:00:00Z\n",
        "",
        None,
        7,
    ],
)
def test_what_is_no_time(text):
    with pytest.raises(Failed, match="not a"):
        moment(text)


@given(st.binary(max_size=40))
def test_base64_has_one_form(data):
    text = base64.b64encode(data).decode()
    assert unbase64(text, "x") == data
    for wrong in (
        text + "\n",
        text + "=",
        " " + text,
        text.rstrip("=") if text.endswith("=") else text + "A",
    ):
        with pytest.raises(Failed, match=r"^x: (not base64|base64 not in canonical form)$"):
            unbase64(wrong, "x")


@pytest.mark.parametrize("wrong", [None, 7, ["AA=="], "é", "AAAA-", {}])
def test_what_is_no_base64(wrong):
    with pytest.raises(Failed, match=r"^x: not base64$"):
        unbase64(wrong, "x")


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(-(2.0**53) + 1, 2.0**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(json_values)
def test_canonical_json_is_read_back_and_every_other_spelling_refused(value):
    data = canonical(value)
    assert canonical(strict_json(data)) == data
    for wrong in (data + b" ", b" " + data, data + b"\n"):
        with pytest.raises(Failed):
            strict_json(wrong)


@pytest.mark.parametrize("text", [b"9007199254740992", b"-9007199254740993", b"100000000000000000000"])
def test_integers_beyond_what_every_reader_keeps_exactly(text):
    """A double of that size is written like an integer, so it is refused as well."""
    with pytest.raises(Failed, match="integer out of range"):
        strict_json(text)


@pytest.mark.parametrize("value", [2**53, -(2**53), float("nan"), float("inf"), -float("inf")])
def test_numbers_json_cannot_carry(value):
    with pytest.raises(ValueError, match=r"integer out of range|not a JSON number"):
        canonical(value)


# --- digests ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, (1 << 17) - 1, 1 << 17, (1 << 20) + 1, 12 << 20])
def test_digests_of_every_size(size):
    data = os.urandom(size)
    assert container.digest_file(io.BytesIO(data)) == (size, hashlib.sha256(data).hexdigest(), sm3(data))
    with ThreadPoolExecutor(1) as beside:
        both, one = container.Digests(beside), container.Digests(None)
        for digests in (both, one):
            for start in range(0, size, 1 << 20):
                digests.update(data[start : start + (1 << 20)])
        assert both.finish() == (hashlib.sha256(data).hexdigest(), sm3(data))
        assert one.finish() == (hashlib.sha256(data).hexdigest(), "")


def test_the_whole_files_digests_are_reported(world):
    report = world.report(world.attempt())
    data = world.package
    assert report["package"] == {
        "sha256": hashlib.sha256(data).hexdigest(),
        "sm3": sm3(data),
        "bytes": len(data),
    }
    quick = verify(io.BytesIO(data), world.trust, package_sm3=False)
    assert quick["package"]["sm3"] == ""
    assert quick["verdict"] == "VALID"


def test_a_large_artefact_of_many_blocks():
    signers = Signers()
    made = make_package(signers, sample_artefacts({"evidence/page.png": os.urandom(12 << 20)}))
    trust = read_trust(json.dumps(signers.trust()).encode())
    assert verify(io.BytesIO(made), trust)["verdict"] == "VALID"
    changed = bytearray(made)
    changed[6 << 20] ^= 1
    found = verify(io.BytesIO(bytes(changed)), trust)
    assert {c["code"] for c in found["checks"] if not c["ok"]} == {
        "zip.crc",
        "artefacts.sha256",
        "artefacts.sm3",
        "datapackage.form",
    }


def test_a_file_that_grows_while_it_is_read_is_unreadable(world):
    class Growing(io.BytesIO):
        def seek(self, offset: int, whence: int = 0) -> int:
            at = super().seek(offset, whence)
            return at + 1 if whence == 2 else at

    with pytest.raises(Unreadable, match="changed its length"):
        verify(Growing(world.package), world.trust)


def test_digests_of_the_file_for_evidence_records(world):
    held = package.Package(io.BytesIO(world.package), len(world.package), world.trust)
    held.sha256 = hashlib.sha256(world.package).hexdigest()
    assert held.digest("sha256") == hashlib.sha256(world.package).digest()
    assert held.digest("sha384") == hashlib.sha384(world.package).digest()
    assert held.digest("sha512") == hashlib.sha512(world.package).digest()
    assert held.digest("sm3").hex() == sm3(world.package)
    with pytest.raises(Failed, match="unknown digest 'md5'"):
        held.digest("md5")
    held.length += 1
    with pytest.raises(Failed, match="file ends early"):
        held.digest("sm3")


def test_a_proof_too_large_to_be_one(world):
    held = package.Package(io.BytesIO(b""), 0, world.trust)
    held.by_name["x"] = container.Member("x", 0, (1 << 24) + 1, 0)
    with pytest.raises(Failed, match=r"^x is too large$"):
        held.content("x")
    with pytest.raises(Failed, match=r"^y is missing$"):
        held.content("y")


# --- validity at the very moment ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "shift", "valid"),
    [
        ("not_before", 0, True),
        ("not_before", 1, False),
        ("not_after", 0, True),
        ("not_after", -1, False),
        ("revoked_at", 1, True),
        ("revoked_at", 0, False),
    ],
)
def test_keys_at_the_edge_of_their_validity(field, shift, valid):
    alone = World(("ed25519",), 1)
    stamped = dt.datetime.fromisoformat(alone.report(alone.attempt())["facts"]["stamped"][0])
    edge = (stamped + dt.timedelta(seconds=shift)).strftime("%Y-%m-%dT%H:%M:%SZ")
    report = alone.report(alone.trusting(lambda t: t["sealing_keys"][0].update({field: edge})))
    assert (report["verdict"] == "VALID") is valid
    assert {c["code"] for c in report["checks"] if not c["ok"]} == (set() if valid else {"keys.validity"})


def test_a_certificate_is_current_to_its_last_second(world):
    expiry = world.signers.tsas[0].certificate.not_valid_after_utc
    last = min(expiry, world.signers.tsas[1].certificate.not_valid_after_utc)
    assert world.report(Attempt(world.package, now=last))["verdict"] == "VALID"
    late = world.report(Attempt(world.package, now=last + dt.timedelta(seconds=1)))
    assert [c["code"] for c in late["checks"] if not c["ok"]] == ["timestamp.current"]


def test_the_policys_skew_is_inclusive(world):
    for offset, valid in ((300_000, True), (-300_000, True), (300_000.5, False)):
        attempt = world.insider(lambda p, s, o=offset: p["times"]["clock"].update(offset_ms=o))
        assert (world.report(attempt)["verdict"] == "VALID") is valid


def test_a_cosigned_beacon_bounds_the_start(world):
    """The beacon's witnesses saw it now; the capture says it started before (2026-11-21 08:00)."""
    from tests.evidence_samples import Log

    note = Log(world.signers).checkpoint()
    attempt = world.insider(lambda p, s: p["times"].update(beacon_checkpoint=note))
    report = world.report(attempt)
    assert [c["code"] for c in report["checks"] if not c["ok"]] == ["time.order"]
    assert "starts before its beacon" in next(c["detail"] for c in report["checks"] if not c["ok"])


# --- SM2 without its library ------------------------------------------------------------------------------


def test_without_the_sm2_library_nothing_is_said_and_the_way_is_shown(world, monkeypatch):
    monkeypatch.setitem(sys.modules, "tongsuopy.crypto.asymciphers.ec", None)
    with pytest.raises(Unreadable, match="pip install tongsuopy") as caught:
        world.report(world.attempt())
    assert caught.value.zh == "本证据含国密签名,请先安装国密库:pip install tongsuopy"
    plain = World(("ecdsa-p256-sha256",), 1)
    assert plain.report(plain.attempt())["verdict"] == "VALID", "the international suite needs it not"


def test_a_key_of_another_algorithm_than_said():
    key = Signers().worker
    for algorithm in ("ecdsa-p256-sha256", "rsa"):
        with pytest.raises(Failed, match=f"not of the algorithm {algorithm}"):
            signatures.verify_signature(algorithm, key.public_der, b"", b"")


# --- what is said -----------------------------------------------------------------------------------------


def test_what_is_said_of_the_honest(world):
    attempts = {
        "VALID": world.attempt(),
        "REDACTED": world.redacted(["evidence/page.png", "evidence/text.txt"]),
        "DISCLOSED": world.disclosed("evidence/text.txt"),
        "LOGGED": world.custody(),
    }
    words = recorded()
    for verdict, attempt in attempts.items():
        report = world.report(attempt)
        told = {check["code"]: steady(check["detail"]) for check in report["checks"]}
        assert told == words[f"honest: {verdict}"], "if that is meant: python -m tests.evidence_matrix"
        assert all(check["zh"] and check["en"] for check in report["checks"])


def test_facts_of_the_honest(world):
    facts = world.report(world.attempt())["facts"]
    assert facts["requested_url"] == facts["final_url"] == "http://shop.test/item/1"
    assert (facts["title"], facts["outcome"], facts["log_index"]) == ("测试商品", "COMPLETE", 1)
    assert facts["captured"] == ["2026-11-21T08:00:00.000000Z", "2026-11-21T08:00:02.000000Z"]
    assert len(facts["stamped"]) == 2
    assert facts["stamped_by"] == ["stamp operator 0", "stamp operator 1"]
    assert facts["cosigned_by"] == ["witness operator 0", "witness operator 1"]
    assert facts["policy"] == "urn:wangjian:policy:v2:international+national"
    assert facts["removed"] == []
    report = world.report(world.redacted(["evidence/page.png"]))
    assert report["facts"]["removed"] == ["evidence/page.png"]
    left_out = report["not_checked"][0]
    assert left_out == {
        "code": "removed:evidence/page.png",
        "zh": "已删去,未检查",
        "en": "left out, not checked",
    }
    assert report["evidence_id"] == "01JD0000000000000000000000"
    assert report["evidence_no"] == "WJ-360121-2026-00000001"
    assert report["trust"] == {"development": True, "label": {"zh": "测试信任", "en": "test trust"}}


def test_facts_of_excerpts(world):
    report = world.report(world.disclosed("evidence/text.txt"))
    assert report["evidence_no"] == "WJ-360121-2026-00000001"
    assert report["evidence_id"] == "01JD0000000000000000000000"
    assert report["facts"]["artefact"]["path"] == "evidence/text.txt"
    assert report["facts"]["log_index"] == 1
    assert report["facts"]["cosigned_by"] == ["witness operator 0", "witness operator 1"]
    assert dt.datetime.fromisoformat(report["facts"]["logged_before"]) <= dt.datetime.now(dt.UTC)
    text = world.artefacts["evidence/text.txt"]
    assert report["package"] == {
        "sha256": hashlib.sha256(text).hexdigest(),
        "sm3": sm3(text),
        "bytes": len(text),
    }
    assert [item["code"] for item in report["not_checked"]] == ["signatures", "log.later"]
    custody = world.report(world.custody())
    assert custody["facts"]["event"]["event"] == "viewed"
    assert custody["package"]["bytes"] == len(world.custody().data)
    broken = verify_disclosure(b"{}", None, world.trust)
    assert broken["verdict"] == "INVALID" and broken["facts"] == {} and broken["evidence_no"] is None
