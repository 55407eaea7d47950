"""What an audit finds and how it decides, free of I/O.

Whoever holds the database can change rows and remove them; whoever holds the disks, files. Neither can change
what the log's witnesses and the custodians have seen, so each thing is held against something of that kind.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services.evidence.log.entries import read_entry
from services.evidence.log.merkle import leaf_hash, root_from_inclusion
from services.evidence.log.notes import NoteKey, open_checkpoint
from services.evidence.log.proofs import parse_proof

# The greatest honest difference between two clocks (trust file: max_skew_seconds).
SKEW = timedelta(seconds=300)
# How long an entry may wait for its leaf: an interrupted service, a log under repair.
LONGEST_WAIT = timedelta(hours=12)

CODES = {
    "log": ("存证日志与已签发的内容不一致", "the log differs from what was signed or published"),
    "item.missing": ("证据记录已不存在", "the item's rows are gone"),
    "item.changed": ("证据记录被改动", "the item's row was changed"),
    "item.unlogged": ("证据未在日志中登记", "the item is not in the log"),
    "item.proof": ("日志证明无效", "the item's log proof does not hold"),
    "order.missing": ("采集任务记录已不存在", "the order's row is gone"),
    "order.changed": ("采集任务记录被改动", "the order was changed"),
    "artefact.changed": ("文件登记与清单不一致", "an artefact's row differs from the manifest"),
    "stamp.changed": ("时间戳与日志登记不一致", "a time stamp is not the one that was logged"),
    "number.gap": ("证据编号缺号", "an evidence number is missing"),
    "number.counter": ("编号计数器被改小", "the number counter was put back"),
    "object.missing": ("存储文件缺失", "a stored object is missing"),
    "object.changed": ("存储文件被改动", "a stored object was changed"),
    "package.changed": ("证据包与封存时不一致", "the package is not the one that was sealed"),
    "receipt.missing": ("缺少第三方回执", "a custodian's receipt is missing"),
    "receipt.changed": (
        "第三方回执无效或不符",
        "a custodian's receipt is not genuine or not of this package",
    ),
    "copy.missing": ("第三方副本缺失", "the custodian does not hold its copy"),
    "copy.changed": ("第三方副本与本库不一致", "the custodian's copy differs from ours"),
    "custody.gap": ("保管链缺少记录", "custody events are missing"),
    "custody.altered": ("保管链记录被改动", "a custody event was changed"),
    "custody.removed": ("保管链记录已不存在", "a logged custody event is gone"),
    "key.unlogged": ("签名密钥未在日志中登记", "a signing key nobody logged"),
    "key.missing": ("日志中的签名密钥已不在库中", "a logged signing key is gone"),
    "key.differs": ("签名密钥记录与日志不一致", "a signing key's row differs from its log events"),
    "clock.moved": ("时钟曾被拨动", "a clock was moved"),
}


@dataclass(frozen=True)
class Finding:
    """Something wrong, with the item it concerns where one is known."""

    code: str
    item: str | None = None
    number: str | None = None
    detail: str = ""

    def line(self) -> dict[str, Any]:
        """As JSON values."""
        zh, en = CODES.get(self.code) or CODES[self.code.partition(".")[0]]
        return {
            "finding": self.code,
            "item": self.item,
            "number": self.number,
            "detail": self.detail,
            "zh": zh,
            "en": en,
        }


@dataclass(frozen=True)
class Signed:
    """A checkpoint in time: size, when the row says it was signed, when a witness cosigned it."""

    size: int
    signed_at: datetime
    cosigned_at: datetime | None


class Timeline:
    """A shard's checkpoints in order of size."""

    def __init__(self, signed: Sequence[Signed]) -> None:
        self._signed = signed
        self._sizes = [item.size for item in signed]
        self._cosigned = [item for item in signed if item.cosigned_at is not None]
        self._cosigned_sizes = [item.size for item in self._cosigned]

    def signed_over(self, index: int) -> datetime | None:
        """When the first checkpoint over a leaf was signed, as the row says."""
        at = bisect_right(self._sizes, index)
        return self._signed[at].signed_at if at < len(self._signed) else None

    def cosigned_over(self, index: int) -> datetime | None:
        """When a witness first cosigned a checkpoint over a leaf, as far as it is kept."""
        at = bisect_right(self._cosigned_sizes, index)
        return self._cosigned[at].cosigned_at if at < len(self._cosigned) else None

    def jumps(self) -> Iterator[str]:
        """Where the witness's clock or ours went back, or ours ran ahead of the witness's."""
        latest: datetime | None = None
        for item in self._cosigned:
            told = item.cosigned_at
            if told is None:
                continue
            if latest is not None and told < latest - SKEW:
                yield f"checkpoint {item.size} was cosigned at {told.isoformat()}, an earlier one later"
            if item.signed_at > told + SKEW:
                yield f"checkpoint {item.size} was signed {item.signed_at - told} after it was cosigned"
            latest = max(latest, told) if latest else told


def check_item(row: Mapping[str, Any], signed: Mapping[str, Any], order: Mapping[str, Any]) -> Iterator[str]:
    """Names of an item's columns that differ from the signed manifest and from the order's own document.

    signed: the columns as the manifest gives them.
    """
    for name, value in signed.items():
        if row[name] != value:
            yield name
    for name in ("org_code", "region_code", "ordered_by"):
        if row[name] != order[name]:
            yield name


def check_entry(row: Mapping[str, Any], stamps: Sequence[bytes]) -> Iterator[tuple[str, str]]:
    """(code, what) where the logged entry does not bind what the row holds."""
    entry = read_entry(row["entry"] or b"")
    expected = {
        "evidence_id": row["id"],
        "evidence_no": row["evidence_no"],
        "envelope_sha256": hashlib.sha256(row["envelope"]).hexdigest(),
    }
    for name, value in expected.items():
        if entry.get(name) != value:
            yield "item.changed", name
    digests = [hashlib.sha256(item).hexdigest() for item in stamps]
    if entry.get("stamps_sha256") != digests:
        yield "stamp.changed", f"{len(digests)} stamps"


def check_proof(entry: bytes, proof: str, log: NoteKey, index: int | None) -> str | None:
    """Why a kept tlog-proof does not prove the entry; None when it does."""
    try:
        at, hashes, note = parse_proof(proof)
        head = open_checkpoint(note, log)
        if root_from_inclusion(leaf_hash(entry), at, head.size, hashes) != head.root:
            return "the entry is not in the tree of the proof"
    except ValueError as error:
        return str(error)
    return None if at == index else "the proof is of another leaf than the row says"


@dataclass(frozen=True)
class Times:
    """The times of one item. stamps: (as the row says, as the signed token says)."""

    captured: datetime
    created: datetime
    stamps: Sequence[tuple[datetime, datetime]]
    cosigned: Sequence[datetime]
    sealed: datetime | None
    stored: Sequence[datetime]


def check_times(times: Times) -> Iterator[str]:
    """Where an item's times contradict those that others signed."""
    for stated, told in times.stamps:
        if abs(stated - told) > timedelta(seconds=1):
            yield f"the row says stamped {stated.isoformat()}, the token {told.isoformat()}"
        if times.captured > told + SKEW:
            yield f"captured {times.captured - told} after it was stamped"
        if times.created > told + SKEW:
            yield f"signed {times.created - told} after it was stamped"
        for cosigned in times.cosigned:
            if told > cosigned + SKEW:
                yield f"stamped {told - cosigned} after it was cosigned"
    for told in [*times.cosigned, *times.stored]:
        if times.sealed is not None and times.sealed < told - SKEW:
            yield f"sealed {told - times.sealed} before a custodian's own time"
    latest = max([*times.stored, *times.cosigned], default=None)
    if times.sealed is not None and latest is not None and times.sealed > latest + LONGEST_WAIT:
        yield f"sealed {times.sealed - latest} after the last custodian's own time"


def check_event_time(
    at: datetime, event: str, signed: datetime | None, cosigned: datetime | None, stamped: datetime | None
) -> str | None:
    """Why a custody event's time cannot be true; None when it can.

    signed, cosigned: of the first checkpoints over its leaf; stamped: the token's time, for `stamped`.
    """
    if cosigned is not None and at > cosigned + SKEW:
        return f"recorded {at - cosigned} after a witness saw it"
    if signed is not None and at < signed - LONGEST_WAIT:
        return f"recorded {signed - at} before it reached the log"
    if event == "stamped" and stamped is not None and at < stamped - SKEW:
        return f"recorded {stamped - at} before the stamp's own time"
    return None


def number_gaps(numbers: Iterable[int], last: int) -> list[int]:
    """Numbers from 1 to the counter's last, or to the highest given, that no item has."""
    have = set(numbers)
    return [number for number in range(1, max([last, *have]) + 1) if number not in have]
