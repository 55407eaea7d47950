"""Evidence records (RFC 4998): built by one implementation, checked by another, each token by OpenSSL."""

import datetime as dt
import hashlib
import subprocess

import pytest
from asn1crypto import core
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.problems import Problem
from services.evidence.renewals import records, rules
from services.evidence.renewals.rules import Due
from services.evidence.renewals.structures import EvidenceRecord
from services.evidence.renewals.trees import HashTree
from services.evidence.verification.verifier.renewal import check_record, hashed
from services.evidence.verification.verifier.strict import Failed
from tests.evidence_renewal import add, authority, digests, year

A, B, C = authority("a", 0), authority("b", 1), authority("c", 2)
PACKAGES = {f"p{n}": b"package %d" % n for n in range(7)}
TRUST = [item.description() for item in (A, B, C)]
MONTH = dt.timedelta(days=30)


def check(record: bytes, package: bytes, now: dt.datetime, weak=None, trust=None):
    def digest(name: str) -> bytes:
        return hashed(name, package)

    return check_record(record, digest, TRUST if trust is None else trust, now, weak)


@pytest.fixture(scope="module")
def first():
    """One stamp of A over all packages, in its second year."""
    return add({}, records.begin(digests(PACKAGES)), A, year(1) + MONTH)


@pytest.fixture(scope="module")
def second(first):
    """Renewed by B before A's certificate ends."""
    return add(first, records.prolong(first, "sha256"), B, year(2) - MONTH)


@pytest.fixture(scope="module")
def third(second):
    """A new chain with SHA-512 by C."""
    plan = records.rehash(second, digests(PACKAGES, "sha512"), "sha512")
    return add(second, plan, C, year(2) + MONTH)


def test_each_package_is_covered_and_lives_on_after_each_renewal(first, second, third):
    for name, package in PACKAGES.items():
        assert check(first[name], package, year(2) - MONTH)["until"] == A.certificate.not_valid_after_utc
        found = check(second[name], package, year(3) - MONTH)
        assert (found["stamps"], found["chains"], found["first"]) == (2, 1, year(1) + MONTH)
        found = check(third[name], package, year(4) - MONTH)
        assert (found["stamps"], found["chains"]) == (3, 2)


def test_a_record_ends_with_its_newest_certificate(first, second, third):
    for records_, end in ((first, year(2)), (second, year(3)), (third, year(4))):
        check(records_["p0"], PACKAGES["p0"], end)
        with pytest.raises(Failed, match="newest stamp expired"):
            check(records_["p0"], PACKAGES["p0"], end + dt.timedelta(seconds=1))


def test_another_package_is_not_covered(second, third):
    for record in (second["p0"], third["p0"]):
        for other in (b"package 1", b"package 0 ", b""):
            with pytest.raises(Failed, match=r"not of this package|something else"):
                check(record, other, year(2) + 2 * MONTH)


def test_gap_between_two_stamps_breaks_the_chain(first):
    """A's certificate had ended before B stamped: nobody vouches for the time between."""
    late = add(first, records.prolong(first, "sha256"), B, year(2) + MONTH)
    with pytest.raises(Failed, match="renewed after its certificate had expired"):
        check(late["p0"], PACKAGES["p0"], year(2) + 2 * MONTH)


def test_stamps_in_the_wrong_order_of_time_are_refused(first):
    earlier = add(first, records.prolong(first, "sha256"), B, year(1) + dt.timedelta(days=1))
    with pytest.raises(Failed, match="order of time"):
        check(earlier["p0"], PACKAGES["p0"], year(2))


def test_swapped_left_out_and_repeated_stamps_are_refused(third):
    record = EvidenceRecord.load(third["p0"])
    chains = [[stamp.dump() for stamp in chain] for chain in record["archive_time_stamp_sequence"]]
    (one, two), (three,) = chains
    wrong = {
        "swapped": [[two, one], [three]],
        "first left out": [[two], [three]],
        "second left out": [[one], [three]],
        "chains swapped": [[three], [one, two]],
        "one chain": [[one, two, three]],
        "repeated": [[one, two, two], [three]],
        "empty chain": [[], [one, two], [three]],
        "nothing": [],
        "split": [[one], [two], [three]],
    }
    for name, chains in wrong.items():
        with pytest.raises(Failed):
            check(assembled(record, chains), PACKAGES["p0"], year(2) + 2 * MONTH)
            pytest.fail(name)
    # Control: put together as it was, it is the same record and passes.
    same = assembled(record, [[one, two], [three]])
    assert same == third["p0"]
    check(same, PACKAGES["p0"], year(2) + 2 * MONTH)


class Raw(core.SequenceOf):
    """A SEQUENCE of what is already encoded."""

    _child_spec = core.Any


def sequence(items: list[bytes]) -> bytes:
    return Raw([core.load(item) for item in items]).dump()


def assembled(record, chains: list[list[bytes]]) -> bytes:
    parts = [record["version"].dump(), record["digest_algorithms"].dump()]
    return sequence([*parts, sequence([sequence(chain) for chain in chains])])


def test_every_flipped_byte_is_refused(third):
    record = third["p3"]
    for at in range(0, len(record)):
        changed = bytearray(record)
        changed[at] ^= 1 << at % 8
        with pytest.raises((Failed, ValueError)):
            check(bytes(changed), PACKAGES["p3"], year(2) + 2 * MONTH)


def test_records_of_strangers_are_refused(third):
    with pytest.raises(Failed, match="not in the trust file"):
        check(third["p0"], PACKAGES["p0"], year(2) + 2 * MONTH, trust=TRUST[:2])


def test_hash_tree_renewal_needs_every_package_and_covers_the_old_chains(second, third):
    known = digests(PACKAGES, "sha512")
    del known["p3"]
    with pytest.raises(KeyError, match="p3"):
        records.rehash(second, known, "sha512")
    # A chain over the package alone, without the older chains, is not a renewal of them.
    forgetful = records.Plan("sha512", digests(PACKAGES, "sha512"), new_chain=True)
    alone = add(second, forgetful, C, year(2) + MONTH)
    with pytest.raises(Failed, match="not of this package"):
        check(alone["p0"], PACKAGES["p0"], year(2) + 2 * MONTH)


def test_a_weak_digest_needs_a_new_chain_in_time(second, third):
    """SHA-256 called weak from a day on: the chain with SHA-512 must have begun before."""
    package, now = PACKAGES["p0"], year(2) + 2 * MONTH
    for since, good in ((year(2) + 2 * MONTH, True), (year(2), False)):
        weak = {"sha256": since}
        if good:
            check(third["p0"], package, now, weak)
        else:
            with pytest.raises(Failed, match="no longer safe"):
                check(third["p0"], package, now, weak)
        with pytest.raises(Failed, match="no longer safe"):
            check(second["p0"], package, now, weak)
    # Control: where nothing is called weak, the old chain is as good as the new.
    check(second["p0"], package, now)


def test_openssl_verifies_every_token(third, tmp_path):
    """The roots as computed here, each token checked by `openssl ts -verify`."""
    plan = records.begin(digests(PACKAGES))
    roots = [("a", A, plan.tree().root)]
    first = add({}, plan, A, year(1) + MONTH)
    plan = records.prolong(first, "sha256")
    roots.append(("b", B, plan.tree().root))
    second = add(first, plan, B, year(2) - MONTH)
    plan = records.rehash(second, digests(PACKAGES, "sha512"), "sha512")
    roots.append(("c", C, plan.tree().root))
    last = add(second, plan, C, year(2) + MONTH)
    flat = [token for chain in records.tokens(last["p0"]) for token in chain]
    for (name, of, root), token in zip(roots, flat, strict=True):
        (tmp_path / f"{name}.tok").write_bytes(token)
        (tmp_path / f"{name}.pem").write_bytes(of.ca.public_bytes(Encoding.PEM))
        command = ["openssl", "ts", "-verify", "-token_in", "-in", f"{name}.tok", "-CAfile", f"{name}.pem"]
        moment = str(int((of.certificate.not_valid_after_utc - MONTH).timestamp()))

        def openssl(digest: bytes, command=command, moment=moment) -> str:
            run = subprocess.run(
                [*command, "-digest", digest.hex(), "-attime", moment],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=False,
            )
            return run.stdout + run.stderr

        assert "Verification: OK" in openssl(root)
        assert "FAILED" in openssl(bytes(len(root)))


def test_records_parse_as_the_standard_says_and_are_small(third):
    for record in third.values():
        parsed = EvidenceRecord.load(record, strict=True)
        assert parsed["version"].native == 1
        assert [a["algorithm"].native for a in parsed["digest_algorithms"]] == ["sha256", "sha512"]
        assert len(record) < 6000


leaves = st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=70, unique=True)


@given(leaves, st.data())
@settings(max_examples=60, deadline=None)
def test_reduced_trees_lead_to_the_root(values, data):
    """By the algorithm of RFC 4998 §4.3, written down here once more."""
    tree = HashTree("sha256", values)
    leaf = data.draw(st.sampled_from(values))
    lists = tree.reduced(leaf)
    value = leaf
    for number, members in enumerate(lists):
        assert members == sorted(members)
        assert (value in members) == (number == 0)
        value = hashlib.sha256(b"".join(sorted({*members, value}))).digest()
    assert value == tree.root
    assert len(lists) <= 7
    assert HashTree("sha256", reversed(values)).root == tree.root, "the order handed in does not matter"


@given(leaves)
@settings(max_examples=30, deadline=None)
def test_no_foreign_leaf_has_a_way_to_the_root(values):
    tree = HashTree("sha256", values)
    with pytest.raises(KeyError):
        tree.reduced(hashlib.sha256(b"foreign" + values[0]).digest())
    with pytest.raises(ValueError, match="needs a leaf"):
        HashTree("sha256", [])


@given(st.binary(max_size=400))
def test_junk_is_refused(data):
    with pytest.raises((Failed, ValueError)):
        check(data, b"", year(2))


def due(algorithm: str | None = None, number: int = 0) -> Due:
    return Due(f"E{number}", f"WJ-{number}", "00" * 32, "11" * 32, year(0), algorithm)


def test_due_items_are_grouped_by_how_they_are_renewed():
    found = [due(None, 1), due("sha256", 2), due("sha512", 3), due(None, 4)]
    groups = rules.groups(found, ["sha256"])
    assert {key: [d.evidence_id for d in value] for key, value in groups.items()} == {
        ("begin", None): ["E1", "E4"],
        ("rehash", "sha256"): ["E2"],
        ("prolong", "sha512"): ["E3"],
    }
    assert rules.kind_of(due("sha256"), []) == "prolong"


def test_rule_data_names_no_weak_digest_now_and_one_that_is_near_its_date_is_left(monkeypatch):
    now = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
    assert rules.weak_digests(now) == []
    assert rules.successor([]) == "sha256"
    row = {"digest": "sha256", "from": "2030-01-01", "source": "test"}
    data = rules._data() | {"weak": [row]}
    monkeypatch.setattr(rules, "_data", lambda: data)
    assert rules.weak_digests(now) == []
    near = dt.datetime(2029, 2, 1, tzinfo=dt.UTC)
    assert rules.weak_digests(near) == ["sha256"]
    assert rules.successor(["sha256"]) == "sha512"
    with pytest.raises(Problem, match="no_digest_left"):
        rules.successor(rules.known_digests())


def test_a_record_can_not_be_prolonged_with_another_digest(first):
    with pytest.raises(ValueError, match="does not end with"):
        records.prolong(first, "sha512")
    assert records.tokens(first["p0"]) == records.tokens(first["p1"]), "one stamp over both"
