"""The tables an import writes to: their columns, and a row of each in COPY's binary form."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from struct import Struct
from typing import Any, Final

from services.common.personal import PersonalData
from services.registry.identifiers.kinds import FIELD_OF_KIND, Kind
from services.registry.identifiers.normal import Found
from services.registry.identifiers.rules import Finding
from services.registry.imports.taking import packing as p
from services.registry.imports.taking.batches import Known, Setting
from services.registry.personal.rules import PERSONAL

PRESENCE_COLUMNS: Final = (
    "id", "no", "subject_id", "channel", "platform", "name", "url", "domain", "licence", "icp", "police_no",
    "ownership", "warnings", "search_text", "grams", "personal", "contact_grams", "fingerprint",
    "region_code", "source_id", "native_id", "source", "import_id", "first_seen", "last_seen", "org_code",
    "created_by", "created_at", "updated_at",
)  # fmt: skip
CHANGED_COLUMNS: Final = PRESENCE_COLUMNS[:19]
IDENTIFIER_COLUMNS: Final = ("presence_no", "kind", "key", "value", "source", "first_seen", "last_seen")
SUBJECT_COLUMNS: Final = (
    "id", "no", "name", "kind", "licence", "licence_kind", "licence_norm", "warnings", "search_text", "grams",
    "personal", "contact_grams", "region_code", "source", "import_id", "first_seen", "last_seen", "org_code",
    "created_by", "created_at", "updated_at",
)  # fmt: skip
CHANGE_COLUMNS: Final = (
    "object_type", "object_id", "field", "old", "new", "sealed", "source", "import_id", "at", "by", "by_name",
    "org_code",
)  # fmt: skip
# Number of fields; presence_no, kind and key, each with its length; the length of the value.
_IDENTIFIER: Final = Struct(">hiqihiqi").pack
_FIELD_OF: Final = {int(kind): FIELD_OF_KIND[kind] for kind in Kind}


class Writer:
    """Packs rows of one import; what all of them share is packed once."""

    def __init__(self, setting: Setting, personal: PersonalData) -> None:
        self._personal = personal
        at, source = p.instant(setting.stamp), p.text(setting.source)
        import_id, org, by = p.text(setting.import_id or None), p.text(setting.org), p.text(setting.by)
        self._owned = source + import_id + at + at + org + by + at + at
        self._identifier_tail = source + at + at
        self._change_tail = source + import_id + at + by + p.text(setting.by_name[:80]) + org
        self._presence_head = p.fields(len(PRESENCE_COLUMNS))
        self._changed_head = p.fields(len(CHANGED_COLUMNS))
        self._subject_head = p.fields(len(SUBJECT_COLUMNS))
        self._change_head = p.fields(len(CHANGE_COLUMNS))

    def presence(
        self,
        known: Known,
        facts: Mapping[str, Any],
        sealed: bytes,
        search_text: str,
        grams: bytes,
        contact_grams: bytes,
    ) -> bytes:
        """A new presence, or one that is there already with its new values.

        sealed: its personal values, empty for none; grams: as packed by `packing.int4_arrays`.
        """
        get, text, word = facts.get, p.text, p.word
        pieces = [
            self._presence_head if known.old is None else self._changed_head,
            text(known.id), p.int8(known.no), text(get("subject_id")), word(get("channel")),
            word(get("platform")), text(get("name")), text(get("url")), word(get("domain")),
            text(get("licence")), text(get("icp")), text(get("police_no")), word(get("ownership")),
            warnings(facts["findings"]), text(search_text), grams,
            p.raw(sealed) if sealed else p.NULL,
            contact_grams, p.int8(facts["fingerprint"]), word(facts["region_code"]),
        ]  # fmt: skip
        if known.old is None:
            source_id = text(facts["source_id"])
            pieces += [source_id, source_id, self._owned]
        return b"".join(pieces)

    def subject(
        self,
        row_id: str,
        no: int,
        facts: Mapping[str, Any],
        sealed: bytes,
        search_text: str,
        grams: bytes,
        contact_grams: bytes,
    ) -> bytes:
        """A subject that becomes known by its licence; what is given is as for `presence`."""
        text, word = p.text, p.word
        return b"".join(
            (
                self._subject_head, text(row_id), p.int8(no), text(facts["name"]), word(facts["kind"]),
                text(facts["licence"]), word(facts["licence_kind"]), text(facts["licence_norm"]),
                warnings(facts["findings"]), text(search_text), grams, p.raw(sealed) if sealed else p.NULL,
                contact_grams, word(facts["region_code"]), self._owned,
            )
        )  # fmt: skip

    def identifiers(self, shown: Sequence[tuple[int, Found]]) -> list[bytes]:
        """The identifiers presences show, by their numbers; packed for each of them."""
        key, tail = self._personal.key, self._identifier_tail
        given = [
            (_FIELD_OF[kind], raw, about)
            for about, found in ((str(no), found) for no, found in shown)
            for kind, _, raw in found
        ]
        sealed = iter(self._personal.seal_each(given))
        count, packed = len(IDENTIFIER_COLUMNS), []
        for no, found in shown:
            pieces = []
            for kind, norm, _ in found:
                value = next(sealed)
                pieces += [
                    _IDENTIFIER(count, 8, no, 2, kind, 8, key(kind, norm), len(value)), value, tail,
                ]  # fmt: skip
            packed.append(b"".join(pieces))
        return packed

    def change(self, row_id: str, field: str, old: Any, new: Any) -> bytes:
        """One value of a presence that changed, for its history."""
        if field in PERSONAL:
            told = {"field": field} | {name: value for name, value in (("old", old), ("new", new)) if value}
            values = p.NULL + p.NULL + p.raw(self._personal.seal(told, row_id))
        else:
            values = _as_json(old) + _as_json(new) + p.NULL
        head = self._change_head + p.text("presence") + p.text(row_id) + p.text(field)
        return head + values + self._change_tail


def warnings(findings: Sequence[Finding]) -> bytes:
    """The remarks a row keeps about itself."""
    return p.json(json.dumps([f.as_json() for f in findings], ensure_ascii=False) if findings else "[]")


def _as_json(value: Any) -> bytes:
    return p.NULL if value is None else p.json(json.dumps(value, ensure_ascii=False))
