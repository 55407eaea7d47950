"""Rows made of records: validated, sealed, hashed, cut into grams. Runs in processes of its own; pure but for
keys."""

from __future__ import annotations

import json
from collections.abc import Mapping
from operator import itemgetter
from typing import Any, Final

from services.common.personal import PersonalData
from services.common.scope import region_covers
from services.registry.identifiers.kinds import FIELD_OF_KIND, Kind
from services.registry.identifiers.normal import Found, identifying
from services.registry.identifiers.rules import Finding, check_fields, compact, licence_kind
from services.registry.imports.taking import packing as p
from services.registry.imports.taking.batches import Batch, Item, Known, Prepared, Setting
from services.registry.imports.taking.values import BadRowError, Row, ownership_of, read_row, shown_value
from services.registry.personal.rules import PERSONAL, mask, personal_of
from services.registry.presences.rules import channel_of_platform, domain_of
from services.registry.regions.rules import Gazetteer
from services.registry.search.rules import contact_grams
from services.registry.subjects.rules import kind_of, searchable

PLAIN: Final = ("name", "licence", "icp", "police_no", "platform", "url", "ownership")
"""Fields of a list that stand plainly in a presence, beside those sealed in it."""
DERIVED: Final = ("channel", "domain", "region_code", "subject_id")
PRESENCE_COLUMNS: Final = (
    "id", "no", "subject_id", "channel", "platform", "native_id", "name", "url", "domain", "licence", "icp",
    "police_no", "ownership", "source", "source_id", "warnings", "search_text", "grams", "personal",
    "contact_grams", "import_id", "fingerprint", "first_seen", "last_seen", "org_code",
    "region_code", "created_by", "created_at", "updated_at",
)  # fmt: skip
CHANGED_COLUMNS: Final = (
    "id", "no", "subject_id", "channel", "platform", "name", "url", "domain", "licence", "icp", "police_no",
    "ownership", "warnings", "search_text", "grams", "personal", "contact_grams", "fingerprint",
    "region_code",
)  # fmt: skip
IDENTIFIER_COLUMNS: Final = ("presence_no", "kind", "key", "value", "source", "first_seen", "last_seen")
SUBJECT_COLUMNS: Final = (
    "id", "no", "name", "kind", "licence", "licence_kind", "licence_norm", "source", "warnings",
    "search_text",
    "grams", "personal", "contact_grams", "import_id", "first_seen", "last_seen", "org_code", "region_code",
    "created_by", "created_at", "updated_at",
)  # fmt: skip
CHANGE_COLUMNS: Final = (
    "object_type", "object_id", "field", "old", "new", "sealed", "source", "import_id", "at", "by", "by_name",
    "org_code",
)  # fmt: skip
_SAMPLES: Final = 20
_SUBJECT_PERSONAL: Final = ("phone", "qq", "wechat", "address", "legal_person")
_SUBJECT_KINDS: Final = frozenset({"uscc", "regno15"})


def subject_key(licence: str | None) -> str | None:
    """Comparison form of a licence that makes a row's subject known (USCC or 15 digits); or None."""
    return compact(licence) if licence and licence_kind(licence) in _SUBJECT_KINDS else None


class RowMaker:
    """Makes rows for one import; one a process."""

    def __init__(self, setting: Setting) -> None:
        self._at = setting
        self._personal = PersonalData(setting.ring)
        self._places = Gazetteer(setting.divisions)
        self._instant = p.instant(setting.stamp)
        self._source, self._import_id = p.text(setting.source), p.text(setting.import_id or None)
        self._org, self._by = p.text(setting.org), p.text(setting.by)
        self._identifier_tail = self._source + self._instant + self._instant
        self._change_tail = (
            self._source
            + self._import_id
            + self._instant
            + self._by
            + p.text(setting.by_name[:80])
            + self._org
        )

    def make(self, batch: Batch) -> Prepared:
        """Prepare a batch; of several records with one id the last usable one stands."""
        out = Prepared()
        rows: dict[str, tuple[Item, Row]] = {}
        for item in batch.items:
            try:
                row = read_row(item.number, item.lines, item.cells, self._at.mapping)
            except BadRowError as error:
                self._remark(out, item, 2, error.finding, error.value)
                continue
            row.values["id"] = item.source_id
            earlier = rows.pop(item.source_id, None)
            if earlier or batch.known[item.source_id].seen:
                out.doubled += 1
                row.findings.append(_double(earlier[0].number if earlier else None))
            rows[item.source_id] = (item, row)
        parts = _Parts()
        for item, row in rows.values():
            self._make_one(out, parts, batch, item, row)
        parts.into(out)
        out.remarks.sort(key=itemgetter(0))
        return out

    def _make_one(self, out: Prepared, parts: _Parts, batch: Batch, item: Item, row: Row) -> None:
        known = batch.known[item.source_id]
        region = self._region(row)
        for finding in row.findings:
            self._remark(out, item, 1, finding, shown_value(finding.field, row.values.get(finding.field)))
        norm = subject_key(row.values.get("licence"))
        subject_id, subject_no = batch.subjects[norm] if norm else (None, 0)
        facts = self._facts(row.values, known, row.findings, region, subject_id)
        self._count(out, known, known.old is not None and self._changes(out, parts, known, facts))
        if self._at.dry:
            return
        if subject_no:
            parts.subjects.append(self._subject(subject_id or "", subject_no, norm or "", row, facts))
            batch.subjects[norm or ""] = (subject_id or "", 0)
        rows = parts.presences if known.old is None else parts.changed
        rows.append(self._presence(known, item, facts))
        out.nos.append(known.no)
        if known.old is None:
            self._identify(parts.identifiers, known.no, row.identifying)
        else:
            self._identify(parts.changed_identifiers, known.no, identifying(facts))

    def _identify(self, pieces: list[bytes], no: int, found: Found) -> None:
        personal, about, tail, number = self._personal, str(no), self._identifier_tail, p.int8(no)
        for kind, norm, raw in found:
            value = personal.seal({FIELD_OF_KIND[Kind(kind)]: raw}, about)
            head = b"\0\x07" + number + p.int2(kind) + p.int8(personal.key(kind, norm))
            pieces.append(head + p.raw(value) + tail)

    def restore(
        self, out: Prepared, no: int, row_id: str, now: Mapping[str, Any], before: Mapping[str, Any]
    ) -> None:
        """Add a row that gets its values of before back, with what changes to the history."""
        parts = _Parts()
        given = {**{name: before.get(name) for name in (*PLAIN, *PERSONAL)}, "id": now["source_id"]}
        known = Known(no, row_id, dict(now))
        values = self._facts(given, known, check_fields(given), before["region_code"], before["subject_id"])
        self._changes(out, parts, known, {**now, **values})
        parts.changed.append(self._presence(known, Item(0, 0, [], now["source_id"], 0), values))
        self._identify(parts.changed_identifiers, no, identifying(values))
        for name, pieces in vars(parts).items():
            setattr(out, name, getattr(out, name) + b"".join(pieces))

    @staticmethod
    def _count(out: Prepared, known: Known, differs: bool) -> None:
        if known.old is None:
            out.created += 1
        elif not known.seen:
            out.updated += differs
            out.unchanged += not differs

    def _region(self, row: Row) -> str:
        """Region of a row: what its address names inside the importer's area, else the importer's own."""
        own = self._at.region
        named = self._places.locate(row.values.get("address"))
        if named is None or named == own:
            return own
        if region_covers(own, named):
            return named
        zh = f"地址指向{self._at.divisions[named]}，不在本辖区内，暂登记在本单位名下"
        row.findings.append(
            Finding("address", "address.outside", zh, "The address names a place outside your area")
        )
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
        values = {**(known.old or {}), **given}
        values["ownership"] = (
            ownership_of(given["ownership"]) if "ownership" in given else values.get("ownership")
        )
        if "address" not in given and known.old:
            region = known.old["region_code"]
        if "licence" not in given and known.old:
            subject_id = known.old["subject_id"]
        where = values.get("url") or values.get("platform")
        values |= {
            "channel": channel_of_platform(values.get("platform") or "").value,
            "domain": domain_of(where),
            "region_code": region,
            "subject_id": subject_id,
            "source_id": given["id"],
            "native_id": given["id"],
            "findings": findings,
        }
        return values

    def _changes(self, out: Prepared, parts: _Parts, known: Known, facts: Mapping[str, Any]) -> bool:
        """Note what differs from before, for the history; whether anything does."""
        old = known.old or {}
        differing = [
            f for f in (*PLAIN, *DERIVED, *PERSONAL) if (old.get(f) or None) != (facts.get(f) or None)
        ]
        if self._at.dry:
            if differing and len(out.samples) < _SAMPLES:
                out.samples.append(
                    {"id": facts["id"], "name": old.get("name"), "fields": _shown(differing, old, facts)}
                )
            return bool(differing)
        head = b"\0\x0c" + p.text("presence") + p.text(known.id)
        for field in differing:
            before, after = old.get(field), facts.get(field)
            if field in PERSONAL:
                told = {"field": field} | {k: v for k, v in (("old", before), ("new", after)) if v}
                middle = p.NULL + p.NULL + p.raw(self._personal.seal(told, known.id))
            else:
                middle = _as_json(before) + _as_json(after) + p.NULL
            parts.changes.append(head + p.text(field) + middle + self._change_tail)
        return bool(differing)

    def _presence(self, known: Known, item: Item, facts: Mapping[str, Any]) -> bytes:
        personal = personal_of(facts)
        text, grams = searchable(facts)
        sealed = p.raw(self._personal.seal(personal, known.id) if personal else None)
        hashed = p.int4s(contact_grams(personal, self._personal.gram)) if personal else p.int4s(())
        warnings = p.json(json.dumps([f.as_json() for f in facts["findings"]], ensure_ascii=False))
        names = p.text(facts["name"]) + p.text(facts.get("url")) + p.text(facts["domain"])
        numbers = p.text(facts.get("licence")) + p.text(facts.get("icp")) + p.text(facts.get("police_no"))
        numbers += p.text(facts["ownership"])
        found = warnings + p.text(text) + p.int4s(grams) + sealed + hashed
        head = p.text(known.id) + p.int8(known.no) + p.text(facts["subject_id"]) + p.text(facts["channel"])
        platform, region = p.text(facts.get("platform")), p.text(facts["region_code"])
        if known.old is not None:
            return b"\0\x13" + head + platform + names + numbers + found + p.int8(item.fingerprint) + region
        mark = self._import_id + p.int8(item.fingerprint) + self._instant + self._instant
        source_id = p.text(item.source_id)
        owned = self._org + region + self._by + self._instant + self._instant
        return (
            b"\0\x1d"
            + head
            + platform
            + source_id
            + names
            + numbers
            + self._source
            + source_id
            + found
            + mark
            + owned
        )

    def _subject(self, subject_id: str, no: int, norm: str, row: Row, facts: Mapping[str, Any]) -> bytes:
        licence = row.values["licence"] or ""
        name = row.values.get("subject_name") or facts["name"]
        personal = {f: v for f in _SUBJECT_PERSONAL if (v := row.values.get(f))}
        text, grams = searchable({"name": name, "licence": licence})
        return b"".join(
            (
                b"\0\x15", p.text(subject_id), p.int8(no), p.text(name), p.text(kind_of(licence).value),
                p.text(licence), p.text(licence_kind(licence)), p.text(norm), self._source,
                p.json(json.dumps([f.as_json() for f in facts["findings"]], ensure_ascii=False)),
                p.text(text), p.int4s(grams),
                p.raw(self._personal.seal(personal, subject_id) if personal else None),
                p.int4s(contact_grams(personal, self._personal.gram)), self._import_id,
                self._instant, self._instant, self._org, p.text(facts["region_code"]), self._by,
                self._instant, self._instant,
            )
        )  # fmt: skip

    def _remark(self, out: Prepared, item: Item, severity: int, finding: Finding, value: str) -> None:
        if severity == 2:
            out.errors += 1
        else:
            out.warnings += 1
        out.tallies[finding.code] = out.tallies.get(finding.code, 0) + 1
        out.remarks.append(
            (
                item.number, severity, item.source_id[:128].replace("\0", ""), finding.field, finding.code,
                value, finding.zh[:300], finding.en[:300],
            )
        )  # fmt: skip


class _Parts:
    """Rows under way, a list of pieces for each table."""

    def __init__(self) -> None:
        self.presences: list[bytes] = []
        self.changed: list[bytes] = []
        self.identifiers: list[bytes] = []
        self.changed_identifiers: list[bytes] = []
        self.subjects: list[bytes] = []
        self.changes: list[bytes] = []

    def into(self, out: Prepared) -> None:
        """Join the pieces."""
        for name, pieces in vars(self).items():
            setattr(out, name, b"".join(pieces))


def _double(earlier: int | None) -> Finding:
    zh = f"编号与第{earlier}行相同，以本行为准" if earlier else "编号与前面的行相同，以本行为准"
    return Finding("id", "row.double", zh, "Same id as an earlier row; this one stands")


def _shown(differing: list[str], old: Mapping[str, Any], new: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"field": f, "old": mask(f, old.get(f)) if f in PERSONAL else old.get(f),
         "new": mask(f, new.get(f)) if f in PERSONAL else new.get(f)}
        for f in differing if f != "subject_id"
    ]  # fmt: skip


def _as_json(value: Any) -> bytes:
    return p.NULL if value is None else p.json(json.dumps(value, ensure_ascii=False))
