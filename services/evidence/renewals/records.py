"""Building evidence records: what the next archive time stamp must cover, and the record with it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from asn1crypto import cms

from services.evidence.renewals.structures import (
    ArchiveTimeStamp,
    ArchiveTimeStampChain,
    ArchiveTimeStampSequence,
    EvidenceRecord,
)
from services.evidence.renewals.trees import HashTree
from services.evidence.timestamps.answers import DIGEST_OIDS
from services.evidence.verification.verifier.renewal import hashed

_NAMES = {oid: name for name, oid in DIGEST_OIDS.items()}


@dataclass(frozen=True)
class Plan:
    """Values to be covered by one archive time stamp, by evidence id; whether it begins a chain."""

    algorithm: str
    leaves: Mapping[str, bytes]
    new_chain: bool

    def tree(self) -> HashTree:
        """The tree whose root is to be time-stamped (its digest as it is, with `algorithm`)."""
        return HashTree(self.algorithm, self.leaves.values())


def begin(digests: Mapping[str, bytes], algorithm: str = "sha256") -> Plan:
    """The first archive time stamp, over the packages' digests."""
    return Plan(algorithm, dict(digests), new_chain=True)


def prolong(records: Mapping[str, bytes], algorithm: str) -> Plan:
    """Time-stamp renewal: each record's newest token is covered. All must end with a chain of `algorithm`.

    Raises ValueError for a record with another.
    """
    leaves = {}
    for evidence_id, record in records.items():
        newest = _newest(record)
        if _name(newest) != algorithm:
            raise ValueError(f"the record of {evidence_id} does not end with {algorithm}")
        leaves[evidence_id] = hashed(algorithm, newest["time_stamp"].dump())
    return Plan(algorithm, leaves, new_chain=False)


def rehash(records: Mapping[str, bytes], digests: Mapping[str, bytes], algorithm: str) -> Plan:
    """Hash-tree renewal: H(H(package) + H(all older chains)). digests: of whole packages, with `algorithm`.

    Raises KeyError when a digest is missing: a package that is no longer there cannot be renewed.
    """
    leaves = {}
    for evidence_id, record in records.items():
        older = hashed(algorithm, _sequence(record).dump())
        leaves[evidence_id] = hashed(algorithm, digests[evidence_id] + older)
    return Plan(algorithm, leaves, new_chain=True)


def extend(record: bytes | None, plan: Plan, tree: HashTree, evidence_id: str, token: bytes) -> bytes:
    """The record with the plan's archive time stamp added. token: DER ContentInfo over the tree's root."""
    stamp = _archive_time_stamp(plan.algorithm, tree.reduced(plan.leaves[evidence_id]), token)
    chains = [list(chain) for chain in _sequence(record)] if record else []
    if plan.new_chain:
        chains.append([stamp])
    else:
        chains[-1].append(stamp)
    return _dump(chains)


def tokens(record: bytes) -> list[list[bytes]]:
    """Every chain's tokens, DER."""
    return [[stamp["time_stamp"].dump() for stamp in chain] for chain in _sequence(record)]


def _sequence(record: bytes) -> ArchiveTimeStampSequence:
    found: ArchiveTimeStampSequence = EvidenceRecord.load(record, strict=True)["archive_time_stamp_sequence"]
    return found


def _newest(record: bytes) -> ArchiveTimeStamp:
    newest: ArchiveTimeStamp = list(list(_sequence(record))[-1])[-1]
    return newest


def _name(stamp: ArchiveTimeStamp) -> str:
    return _NAMES[stamp["digest_algorithm"]["algorithm"].dotted]


def _archive_time_stamp(algorithm: str, reduced: list[list[bytes]], token: bytes) -> ArchiveTimeStamp:
    fields = {
        "digest_algorithm": {"algorithm": DIGEST_OIDS[algorithm]},
        "time_stamp": cms.ContentInfo.load(token, strict=True),
    }
    return ArchiveTimeStamp(fields | ({"reduced_hashtree": reduced} if reduced else {}))


def _dump(chains: Sequence[Sequence[ArchiveTimeStamp]]) -> bytes:
    used: list[str] = []
    for chain in chains:
        oid = chain[0]["digest_algorithm"]["algorithm"].dotted
        used += [] if oid in used else [oid]
    record = EvidenceRecord(
        {
            "version": 1,
            "digest_algorithms": [{"algorithm": oid} for oid in used],
            "archive_time_stamp_sequence": ArchiveTimeStampSequence(
                [ArchiveTimeStampChain(list(chain)) for chain in chains]
            ),
        }
    )
    return bytes(record.dump())
