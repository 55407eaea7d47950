"""Evidence records in other than the permitted form, put together by hand: each refused with its reason."""

import datetime as dt
import hashlib

import pytest
from asn1crypto import cms

from services.evidence.renewals.structures import (
    ArchiveTimeStamp,
    ArchiveTimeStampChain,
    ArchiveTimeStampSequence,
    EvidenceRecord,
)
from services.evidence.timestamps.answers import DIGEST_OIDS
from services.evidence.verification.verifier.renewal import check_record, hashed
from services.evidence.verification.verifier.strict import Failed
from tests.evidence_renewal import authority, token_at, year

A, B = authority("a", 0), authority("b", 1)
TRUST = [A.description(), B.description()]
PACKAGE = b"package"
OWN = hashlib.sha256(PACKAGE).digest()
OTHER, THIRD = hashlib.sha256(b"other").digest(), hashlib.sha256(b"third").digest()
MONTH = dt.timedelta(days=30)
WHEN = year(1) + MONTH


def root_of(lists: list[list[bytes]], name: str = "sha256", value: bytes = OWN) -> bytes:
    """As the standard climbs, whatever the lists are."""
    for number, members in enumerate(lists):
        value = hashed(name, b"".join(sorted(members if number == 0 else [*members, value])))
    return value


def stamp(
    lists: list[list[bytes]] | None = None, *, of=A, when=WHEN, name="sha256", root: bytes | None = None
):
    """An archive time stamp with these hash lists over the root they lead to."""
    covered = root if root is not None else root_of(lists or [], name)
    fields = {
        "digest_algorithm": {"algorithm": DIGEST_OIDS[name]},
        "time_stamp": cms.ContentInfo.load(token_at(of, when, name, covered)),
    }
    return ArchiveTimeStamp(fields | ({"reduced_hashtree": lists} if lists is not None else {}))


def record(*chains: list, version: int = 1, declared: tuple[str, ...] = ("sha256",), **more: object) -> bytes:
    parts = {
        "version": version,
        "digest_algorithms": [{"algorithm": DIGEST_OIDS[name]} for name in declared],
        "archive_time_stamp_sequence": ArchiveTimeStampSequence([ArchiveTimeStampChain(c) for c in chains]),
    }
    return bytes(EvidenceRecord(parts | more).dump())


def check(data: bytes, now: dt.datetime = WHEN + MONTH):
    return check_record(data, lambda name: hashed(name, PACKAGE), TRUST, now)


PAIR = sorted([OWN, OTHER])


def test_what_is_permitted_passes():
    assert check(record([stamp()]))["stamps"] == 1
    assert check(record([stamp([PAIR])]))["chains"] == 1
    assert check(record([stamp([PAIR, [THIRD]])]))["first"] == WHEN
    assert check(record([stamp([sorted([OWN, OTHER, THIRD]), sorted([OTHER, THIRD])])]))
    renewal = hashed("sha256", stamp_token(first := stamp()))
    assert check(record([first, stamp(root=renewal, of=B)]))["stamps"] == 2, "in the same second"


def stamp_token(item: ArchiveTimeStamp) -> bytes:
    return bytes(item["time_stamp"].dump())


@pytest.mark.slow  # asn1crypto takes seconds to write an object identifier it has no name for
def test_sm3_is_a_digest_like_the_others():
    data = record([stamp(name="sm3", root=hashed("sm3", PACKAGE))], declared=("sm3",))
    assert check(data)["stamps"] == 1
    # The same 32 bytes, called SM3 in the token and SHA-256 in the record.
    mixed = stamp()
    mixed["time_stamp"] = cms.ContentInfo.load(token_at(A, WHEN, "sm3", OWN))
    with pytest.raises(Failed, match="something else"):
        check(record([mixed]))


SHAPES = {
    "a list of the package alone": ([[OWN]], "not of this package"),
    "the package not in the first list": ([sorted([OTHER, THIRD]), [OWN]], "not of this package"),
    "not in ascending order": ([PAIR[::-1]], "ascending order"),
    "a hash twice": ([sorted([OWN, OTHER, OTHER])], "ascending order"),
    "a hash of another length": ([sorted([OWN, OTHER[:31]])], "another length"),
    "a longer hash above": ([PAIR, [OTHER + b"\x00"]], "another length"),
    "an empty list above": ([PAIR, []], "malformed hash tree"),
    "the father named again": ([PAIR, sorted([root_of([PAIR]), THIRD])], "malformed hash tree"),
    "no list at all": ([], "empty hash tree"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_hash_trees_of_another_shape_are_refused(shape):
    lists, reason = SHAPES[shape]
    with pytest.raises(Failed, match=reason):
        check(record([stamp(lists)]))


def test_the_stamped_root_must_be_the_trees():
    with pytest.raises(Failed, match="something else"):
        check(record([stamp([PAIR], root=root_of([PAIR, [THIRD]]))]))
    with pytest.raises(Failed, match="something else"):
        check(record([stamp(root=OTHER)]))


@pytest.mark.parametrize("declared", [(), ("sha512",), ("sha256", "sha512"), ("sha256", "sha256")])
def test_declared_digests_are_those_that_are_used(declared):
    with pytest.raises(Failed, match="declares other digests"):
        check(record([stamp()], declared=declared))


def test_versions_attributes_and_further_parts_are_refused():
    with pytest.raises(Failed, match="unknown version"):
        check(record([stamp()], version=2))
    with_attributes = stamp()
    with_attributes["attributes"] = cms.CMSAttributes([])
    with pytest.raises(Failed, match="malformed stamp"):
        check(record([with_attributes]))
    with pytest.raises(Failed, match="unexpected element"):
        check(record([stamp()], crypto_infos=[]))
    with pytest.raises(Failed, match="no chain"):
        check(record())
    with pytest.raises(Failed, match="empty chain"):
        check(record([]))
    with pytest.raises(Failed):
        check(record([stamp()]) + b"\x05\x00")


def test_two_digests_in_one_chain_are_refused():
    first = stamp()
    renewal = hashed("sha512", stamp_token(first))
    chain = [first, stamp(root=renewal, of=B, name="sha512", when=WHEN + MONTH)]
    with pytest.raises(Failed, match="two digests in one chain"):
        check(record(chain, declared=("sha256", "sha512")), WHEN + 2 * MONTH)


def test_times_to_the_second():
    """A stamp may be as old as the one before and as late as the very end of its certificate."""
    end = A.certificate.not_valid_after_utc
    first = stamp()
    renewal = hashed("sha256", stamp_token(first))
    for when, good in ((end, True), (end + dt.timedelta(seconds=1), False), (WHEN, True)):
        data = record([first, stamp(root=renewal, of=B, when=when)])
        if good:
            check(data, end + MONTH)
        else:
            with pytest.raises(Failed, match="after its certificate had expired"):
                check(data, end + MONTH)
    with pytest.raises(Failed, match="order of time"):
        check(record([first, stamp(root=renewal, of=B, when=WHEN - dt.timedelta(seconds=1))]), end)
    check(record([first]), WHEN)
    with pytest.raises(Failed, match="of the future"):
        check(record([first]), WHEN - dt.timedelta(seconds=1))
    check(record([first]), end)
    with pytest.raises(Failed, match="newest stamp expired"):
        check(record([first]), end + dt.timedelta(seconds=1))


def test_a_new_chain_of_the_same_digest_covers_the_older_ones():
    """Allowed by the standard; what it must cover is the same."""
    first = stamp()
    older = ArchiveTimeStampSequence([ArchiveTimeStampChain([first])]).dump()
    root = hashed("sha256", OWN + hashed("sha256", older))
    assert check(record([first], [stamp(root=root, of=B, when=WHEN + MONTH)]))["chains"] == 2
    for wrong in (OWN, hashed("sha256", OWN + older), hashed("sha256", hashed("sha256", older) + OWN)):
        with pytest.raises(Failed, match="something else"):
            check(record([first], [stamp(root=wrong, of=B, when=WHEN + MONTH)]))


def test_long_chains_have_long_lengths():
    """DER lengths of one, two and three bytes in what a new chain covers."""
    chain, sizes = [stamp()], set()
    for number in range(60):
        renewal = hashed("sha256", stamp_token(chain[-1]))
        chain.append(stamp(root=renewal, when=WHEN + dt.timedelta(hours=number + 1)))
        if number in (1, 59):
            older = ArchiveTimeStampSequence([ArchiveTimeStampChain(list(chain))]).dump()
            sizes.add(older[1])
            root = hashed("sha256", OWN + hashed("sha256", older))
            data = record(list(chain), [stamp(root=root, of=B, when=WHEN + MONTH)])
            assert check(data)["stamps"] == number + 3
    assert sizes == {0x82, 0x83}
