"""What a record said before and after a merge, kept so that the merge can be taken back exactly."""

import base64
import json
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final

from services.common.personal import PersonalData
from services.registry.identifiers.models import Identifier
from services.registry.personal.service import readable, sealed

# Made by the database, or saying only when the row was touched.
_NOT_KEPT: Final = frozenset({"no", "facets", "updated_at"})
# Follow from other columns: they come back with them.
DERIVED: Final = frozenset(
    {
        "search_text",
        "grams",
        "contact_grams",
        "warnings",
        "licence_norm",
        "licence_kind",
        "domain",
        "fingerprint",
    }
)
State = dict[str, Any]


def state_of(personal: PersonalData, row: Any) -> State:
    """Every column of a record; its personal values opened. Raises Problem 500 `personal.unreadable`."""
    columns = [column.key for column in type(row).__mapper__.column_attrs if column.key not in _NOT_KEPT]
    return {**{name: getattr(row, name) for name in columns}, "personal": readable(personal, row)}


def put_back(personal: PersonalData, row: Any, values: State) -> None:
    """Set columns of a record to what they were."""
    for name, value in values.items():
        if name == "personal":
            row.personal = sealed(personal, row.id, value)
        else:
            setattr(row, name, value)


def changed(before: State, after: State) -> set[str]:
    """The columns in which two states of a record differ."""
    return {name for name, value in after.items() if before.get(name) != value}


def identifier_rows(rows: Sequence[Identifier]) -> list[dict[str, Any]]:
    """Identifiers as rows to insert again."""
    names = [column.key for column in Identifier.__mapper__.column_attrs]
    return [{name: getattr(row, name) for name in names} for row in rows]


def pack(value: Any) -> bytes:
    """A snapshot as bytes: JSON with marks for what JSON does not know."""
    return json.dumps(value, ensure_ascii=False, default=_marked).encode()


def unpack(data: bytes) -> Any:
    """The snapshot in these bytes."""
    return json.loads(data, object_hook=_unmarked)


def _marked(value: Any) -> dict[str, str]:
    if isinstance(value, datetime):
        return {"$time": value.isoformat()}
    if isinstance(value, date):
        return {"$date": value.isoformat()}
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode()}
    raise TypeError(f"cannot keep {type(value).__name__}")


def _unmarked(value: dict[str, Any]) -> Any:
    if len(value) == 1:
        if "$time" in value:
            return datetime.fromisoformat(value["$time"])
        if "$date" in value:
            return date.fromisoformat(value["$date"])
        if "$bytes" in value:
            return base64.b64decode(value["$bytes"])
    return value
