"""Rows made of records: checked, sealed, hashed, cut into grams; a batch at a time, in several processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final

from services.common.personal import PersonalData
from services.registry.identifiers.normal import Found, identifying
from services.registry.identifiers.rules import Finding, check_fields, compact, licence_kind
from services.registry.imports.taking.batches import Batch, Item, Known, Prepared, Setting
from services.registry.imports.taking.packing import EMPTY_ARRAY, int4_arrays
from services.registry.imports.taking.values import (
    BadRowError,
    Row,
    domain_named,
    ownership_of,
    read_rows,
    shown_value,
)
from services.registry.imports.taking.writing import Writer
from services.registry.personal.rules import PERSONAL, mask, personal_of
from services.registry.presences.rules import channel_of_platform
from services.registry.search.grams import Remembered
from services.registry.search.rules import contact_grams_flat, search_fields_flat
from services.registry.subjects.rules import kind_of, searched

PLAIN: Final = ("name", "licence", "icp", "police_no", "platform", "url", "ownership")
"""Fields of a list that stand plainly in a presence, beside those sealed in it."""
DERIVED: Final = ("channel", "domain", "region_code", "subject_id")
_TOLD: Final = (*PLAIN, *DERIVED, *PERSONAL)
_SAMPLES: Final = 20
# What a shop shows are the shop's contacts; they are its operator's too where the list is one of operators.
_SUBJECT_PERSONAL: Final = ("legal_person",)
_OPERATOR_PERSONAL: Final = ("phone", "qq", "wechat", "address", "legal_person")
_SUBJECT_KINDS: Final = frozenset({"uscc", "regno15"})


def subject_key(licence: str | None) -> str | None:
    """Comparison form of a licence that makes a row's subject known (USCC or 15 digits); or None."""
    return compact(licence) if licence and licence_kind(licence) in _SUBJECT_KINDS else None


@dataclass(slots=True)
class _Shop:
    """A presence under way."""

    known: Known
    facts: dict[str, Any]
    personal: dict[str, str]
    identifiers: Found


@dataclass(slots=True)
class _Operator:
    """A subject under way; `like`: which shop's contacts are the same, so that grams are made once.

    shared: a batch before may write it as well.
    """

    id: str
    no: int
    facts: dict[str, Any]
    personal: dict[str, str]
    like: int | None
    shared: bool


@dataclass(slots=True)
class _Work:
    """A batch under way."""

    shops: list[_Shop] = field(default_factory=list)
    operators: list[_Operator] = field(default_factory=list)
    changes: list[bytes] = field(default_factory=list)


class RowMaker:
    """Makes rows for one import; one a process."""

    def __init__(self, setting: Setting) -> None:
        self._at = setting
        self._personal = PersonalData(setting.ring)
        self._writer = Writer(setting, self._personal)
        self._remembered = Remembered()

    def make(self, batch: Batch) -> Prepared:
        """Prepare a batch; of several records with one id the last usable one stands."""
        out, work = Prepared(), _Work()
        for item, row in self._read(out, batch):
            self._one(out, work, batch, item, row)
        if not self._at.dry:
            self._write(out, work)
        out.remarks.sort(key=itemgetter(0))
        return out

    def restore(self, rows: Sequence[tuple[int, str, Mapping[str, Any], Mapping[str, Any]]]) -> Prepared:
        """Rows that get values of before back: (number, id, values now, values before)."""
        out, work = Prepared(), _Work()
        for no, row_id, now, before in rows:
            given = {**{name: before.get(name) for name in (*PLAIN, *PERSONAL)}, "id": now["source_id"]}
            known = Known(no, row_id, dict(now))
            found = check_fields(given)
            facts = self._facts(given, known, found, before["region_code"], before["subject_id"])
            facts["fingerprint"] = 0  # no list's: the next one is taken anew
            self._changes(out, work, known, facts)
            work.shops.append(_Shop(known, facts, personal_of(facts), identifying(facts)))
        self._write(out, work)
        return out

    def _read(self, out: Prepared, batch: Batch) -> list[tuple[Item, Row]]:
        rows: dict[str, tuple[Item, Row]] = {}
        for item, row in zip(batch.items, read_rows(batch.items, self._at.mapping), strict=True):
            if isinstance(row, BadRowError):
                _remark(out, item, 2, row.finding, row.value)
                continue
            row.values["id"] = item.source_id
            earlier = rows.pop(item.source_id, None)
            if earlier or batch.known[item.source_id].seen:
                out.doubled += 1
                row.findings.append(_double(earlier[0].number if earlier else None))
            rows[item.source_id] = (item, row)
        return list(rows.values())

    def _one(self, out: Prepared, work: _Work, batch: Batch, item: Item, row: Row) -> None:
        known = batch.known[item.source_id]
        region = self._region(row)
        for finding in row.findings:
            _remark(out, item, 1, finding, shown_value(finding.field, row.values.get(finding.field)))
        norm = subject_key(row.values.get("licence"))
        subject_id, subject_no = batch.subjects[norm] if norm else (None, 0)
        facts = self._facts(row.values, known, row.findings, region, subject_id)
        facts["fingerprint"] = item.fingerprint
        _count(out, known, known.old is not None and self._changes(out, work, known, facts))
        if self._at.dry:
            return
        out.nos.append(known.no)
        if subject_no and norm and subject_id:
            at, shared = len(work.shops), norm in batch.shared
            work.operators.append(_operator(subject_id, subject_no, norm, row, facts, at, shared=shared))
            batch.subjects[norm] = (subject_id, 0)
        found = row.identifying if known.old is None else identifying(facts)
        work.shops.append(_Shop(known, facts, personal_of(facts), found))

    def _region(self, row: Row) -> str:
        """Region of a row: what its address names inside the importer's area, else the importer's own."""
        own, named = self._at.region, row.place
        if not named or named == own or named not in self._at.divisions:
            return own
        if _covers(own, named):
            return named
        if not _covers(named, own):
            zh = f"地址指向{self._at.divisions[named]}，不在本辖区内，暂登记在本单位名下"
            en = "The address names a place outside your area"
            row.findings.append(Finding("address", "address.outside", zh, en))
        return own

    def _facts(
        self,
        given: Mapping[str, str | None],
        known: Known,
        findings: list[Finding],
        region: str,
        subject_id: str | None,
    ) -> dict[str, Any]:
        """All values of the presence: the record's, and for fields the list does not have those of before."""
        old = known.old or {}
        values = {**old, **given}
        if "ownership" in given:
            values["ownership"] = ownership_of(given["ownership"])
        # Where an officer has decided who has jurisdiction, a list does not move the shop.
        if old and ("address" not in given or known.decided):
            region = old["region_code"]
        if "licence" not in given and old:
            subject_id = old["subject_id"]
        values["channel"] = _channel(values.get("platform"))
        values["domain"] = domain_named(values.get("url") or values.get("platform"))
        values["region_code"], values["subject_id"] = region, subject_id
        values["source_id"] = values["native_id"] = given["id"]
        values["findings"] = findings
        return values

    def _changes(self, out: Prepared, work: _Work, known: Known, facts: Mapping[str, Any]) -> bool:
        """Note what differs from before, for the history; whether anything does."""
        old = known.old or {}
        differing = [name for name in _TOLD if (old.get(name) or None) != (facts.get(name) or None)]
        if self._at.dry:
            if differing and len(out.samples) < _SAMPLES:
                shown = _shown(differing, old, facts)
                out.samples.append({"id": facts["source_id"], "name": old.get("name"), "fields": shown})
            return bool(differing)
        work.changes += [
            self._writer.change(known.id, name, old.get(name), facts.get(name)) for name in differing
        ]
        return bool(differing)

    def _write(self, out: Prepared, work: _Work) -> None:
        shops, operators = work.shops, work.operators
        both: list[_Shop | _Operator] = [*shops, *operators]
        texts, grams = search_fields_flat([searched(one.facts) for one in both], _regions(both))
        plain = int4_arrays(grams)
        keyed, sealed = self._contacts(work)
        shown = self._writer.identifiers([(shop.known.no, shop.identifiers) for shop in shops])
        rows: dict[bool, list[bytes]] = {True: [], False: []}
        identifiers: dict[bool, list[bytes]] = {True: [], False: []}
        for at, shop in enumerate(shops):
            new = shop.known.old is None
            row = self._writer.presence(shop.known, shop.facts, sealed[at], texts[at], plain[at], keyed[at])
            rows[new].append(row)
            identifiers[new].append(shown[at])
        subjects: dict[bool, list[bytes]] = {True: [], False: []}
        for at, one in enumerate(operators, start=len(shops)):
            subject = self._writer.subject(
                one.id, one.no, one.facts, sealed[at], texts[at], plain[at], keyed[at]
            )
            subjects[one.shared].append(subject)
        out.subjects, out.shared_subjects = b"".join(subjects[False]), b"".join(subjects[True])
        out.presences, out.changed = b"".join(rows[True]), b"".join(rows[False])
        out.identifiers, out.changed_identifiers = map(b"".join, (identifiers[True], identifiers[False]))
        out.changes = b"".join(work.changes)

    def _contacts(self, work: _Work) -> tuple[list[bytes], list[bytes]]:
        """Keyed grams and sealed values of the shops, then of the operators; empty where there are none."""
        shops, operators = work.shops, work.operators
        about = [(shop.personal, shop.known.id) for shop in shops] + [
            (one.personal, one.id) for one in operators
        ]
        sealing = iter(self._personal.seal_many([row for row in about if row[0]]))
        sealed = [next(sealing) if values else b"" for values, _ in about]
        different = [one for one in operators if one.like is None and one.personal]
        cut: list[_Shop | _Operator] = [*shops, *different]
        values = [row.personal for row in cut]
        keyed = int4_arrays(contact_grams_flat(values, _regions(cut), self._personal.gram, self._remembered))
        rest = iter(keyed[len(shops) :])
        for one in operators:
            if one.like is not None:
                keyed.append(keyed[one.like])
            else:
                keyed.append(next(rest) if one.personal else EMPTY_ARRAY)
        del keyed[len(shops) : len(values)]
        return keyed, sealed


def _regions(rows: Sequence[_Shop | _Operator]) -> list[str]:
    return [row.facts["region_code"] for row in rows]


def _operator(
    subject_id: str, no: int, norm: str, row: Row, shop: Mapping[str, Any], position: int, *, shared: bool
) -> _Operator:
    licence = row.values["licence"] or ""
    facts = {
        "name": row.values.get("subject_name") or shop["name"],
        "kind": kind_of(licence).value,
        "licence": licence,
        "licence_kind": licence_kind(licence),
        "licence_norm": norm,
        "findings": shop["findings"],
        "region_code": shop["region_code"],
    }
    names = _OPERATOR_PERSONAL if row.values.get("subject_name") else _SUBJECT_PERSONAL
    personal = {name: value for name in names if (value := row.values.get(name))}
    like = position if personal == personal_of(shop) else None
    return _Operator(subject_id, no, facts, personal, like, shared)


@lru_cache(maxsize=1 << 16)
def _covers(outer: str, inner: str) -> bool:
    """Whether division `inner` lies in (or is) division `outer` (GB/T 2260: trailing zeros)."""
    return inner.startswith(outer.removesuffix("00").removesuffix("00"))


@lru_cache(maxsize=4_096)
def _channel(platform: str | None) -> str:
    return channel_of_platform(platform or "").value


def _count(out: Prepared, known: Known, differs: bool) -> None:
    if known.old is None:
        out.created += 1
    elif not known.seen:
        out.updated += differs
        out.unchanged += not differs


def _remark(out: Prepared, item: Item, severity: int, finding: Finding, value: str) -> None:
    if severity == 2:
        out.errors += 1
    else:
        out.warnings += 1
    out.tallies[finding.code] = out.tallies.get(finding.code, 0) + 1
    source_id = item.source_id[:128]
    said = (finding.field, finding.code, value, finding.zh[:300], finding.en[:300])
    out.remarks.append((item.number, severity, source_id, *said))


def _double(earlier: int | None) -> Finding:
    zh = f"编号与第{earlier}行相同，以本行为准" if earlier else "编号与前面的行相同，以本行为准"
    return Finding("id", "row.double", zh, "Same id as an earlier row; this one stands")


def _shown(differing: Sequence[str], old: Mapping[str, Any], new: Mapping[str, Any]) -> list[dict[str, Any]]:
    def seen(name: str, values: Mapping[str, Any]) -> Any:
        return mask(name, values.get(name)) if name in PERSONAL else values.get(name)

    return [{"field": f, "old": seen(f, old), "new": seen(f, new)} for f in differing if f != "subject_id"]
