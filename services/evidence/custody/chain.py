"""Does a chain of custody hold: dense numbers, each event bound to the one before and to the log (pure).

Whoever can write to the database past its triggers can change a row, remove one, or change the queued entry;
none of these can change the leaf that the log has signed and the custodians have seen.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from services.evidence.custody.rules import log_entry
from services.evidence.log.merkle import leaf_hash

Link = Literal["ok", "gap", "altered"]
Leaf = Literal["logged", "waiting", "differs", "missing"]
Verdict = Literal["intact", "waiting", "gap", "altered"]

FAULTS = {
    "document": ("记录原文无法读取或不属于本证据", "the record cannot be read or is not of this item"),
    "columns": ("数据库字段与记录原文不一致", "database columns differ from the record itself"),
    "leaf_differs": ("记录与存证日志中登记的条目不符", "the record is not the one the log has"),
    "leaf_missing": ("存证日志中没有本记录的条目", "the log has no entry of this record"),
    "link": ("与前一条记录的摘要不衔接", "does not continue the record before it"),
    "gap": ("前面缺少记录", "records before this one are missing"),
}


@dataclass(frozen=True)
class Kept:
    """An event as stored. columns: the document's fields as the row repeats them; leaf: from the tree."""

    seq: int
    document: bytes
    columns: Mapping[str, Any]
    entry: bytes | None
    index: int | None
    leaf: bytes | None


@dataclass(frozen=True)
class Judged:
    """What can be said of an event. said: its document's fields; None when they cannot be read."""

    seq: int
    said: dict[str, Any] | None
    link: Link
    leaf: Leaf
    verdict: Verdict
    faults: list[str]
    missing_before: int
    index: int | None


@dataclass(frozen=True)
class Chain:
    """What can be said of an item's whole chain. missing: event numbers without a record (the first 100)."""

    verdict: Verdict
    events: list[Judged]
    expected: int
    missing: list[int] = field(default_factory=list)
    altered: list[int] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)


_LISTED = 100


def judge(evidence_id: str, kept: Sequence[Kept], expected: int) -> Chain:
    """Judge an item's events, given in order of their numbers; expected: how many numbers were given out."""
    events: list[Judged] = []
    missing: list[int] = []
    before: Kept | None = None
    for one in kept:
        last = before.seq if before else 0
        missing += range(last + 1, one.seq)
        blamed = bool(events) and events[-1].verdict == "altered"
        events.append(_judge(evidence_id, one, before, one.seq - last - 1, blamed=blamed))
        before = one
    last = before.seq if before else 0
    missing += range(last + 1, expected + 1)
    altered = [one.seq for one in events if one.verdict == "altered"]
    waiting = [one.seq for one in events if one.verdict == "waiting"]
    verdict: Verdict = "intact"
    if altered or last > expected:
        verdict = "altered"
    elif missing:
        verdict = "gap"
    elif waiting:
        verdict = "waiting"
    return Chain(verdict, events, expected, missing[:_LISTED], altered, waiting)


def _judge(evidence_id: str, one: Kept, before: Kept | None, missing: int, *, blamed: bool) -> Judged:
    said = read(one.document)
    faults: list[str] = []
    if said is None or said.get("evidence_id") != evidence_id or said.get("seq") != one.seq:
        faults.append("document")
    elif any(said.get(name, default(name)) != value for name, value in one.columns.items()):
        faults.append("columns")
    leaf = _leaf(one)
    if leaf in ("differs", "missing"):
        faults.append(f"leaf_{leaf}")
    link: Link = "gap" if missing else _link(said, before)
    # A broken link is the fault of the earlier event when that one is known to have been altered.
    if link == "altered" and not blamed:
        faults.append("link")
    verdict: Verdict = "waiting" if leaf == "waiting" else "intact"
    if faults:
        verdict = "altered"
    elif missing:
        verdict = "gap"
    if missing:
        faults.append("gap")
    return Judged(one.seq, said, link, leaf, verdict, faults, missing, one.index)


def _leaf(one: Kept) -> Leaf:
    if one.entry is None:
        return "missing"
    if one.entry != log_entry(one.document):
        return "differs"
    if one.index is None or one.leaf is None:
        return "waiting"
    return "logged" if one.leaf == leaf_hash(one.entry) else "differs"


def _link(said: Mapping[str, Any] | None, before: Kept | None) -> Link:
    previous = hashlib.sha256(before.document).hexdigest() if before else ""
    return "ok" if said is not None and said.get("previous_sha256") == previous else "altered"


def read(document: bytes) -> dict[str, Any] | None:
    """A document's fields; None when it is no JSON object with an actor."""
    try:
        said = json.loads(document)
    except ValueError:
        return None
    if not isinstance(said, dict) or not isinstance(said.get("actor"), dict):
        return None
    return {**said, "actor": {"org": "", "org_name": "", **said["actor"]}}


def default(name: str) -> Any:
    """What a column holds for a field that documents of version 1 do not have."""
    return {} if name == "about" else ""
