"""How imports, their remarks and their files are shown."""

import csv
import io
from collections.abc import AsyncIterator, Sequence

from services.common.database import Database
from services.common.identity import Claims
from services.registry.identifiers.rules import mask_middle
from services.registry.imports import repository
from services.registry.imports.fields import FIELDS, REQUIRED
from services.registry.imports.models import Import, ImportRemark
from services.registry.imports.reading.encodings import CODECS
from services.registry.imports.reading.inspection import Inspected
from services.registry.imports.rules import STATE_LABELS, State, actions_in, neutralise
from services.registry.imports.schemas import (
    FieldOut,
    ImportOut,
    ImportRow,
    LayoutOut,
    Preview,
    RemarkOut,
    Tally,
)
from services.registry.imports.taking.values import PERSONAL_FIELDS, shown_value

_HEADER = (
    "行 row",
    "编号 id",
    "字段 field",
    "结果 result",
    "代码 code",
    "说明 remark (zh)",
    "remark (en)",
    "内容 value",
)
_SHOWN_CELL = 80


def listed(row: Import) -> ImportRow:
    """An import in the list."""
    return ImportRow.model_validate({**_common(row)})


def full(row: Import, claims: Claims, remarks: Sequence[ImportRemark]) -> ImportOut:
    """One import, with the actions the caller has."""
    mine = row.org_code == claims.org and "registry:import" in claims.permissions
    extra = {
        "layout": row.layout
        if row.layout
        else {"encoding": row.encoding, "delimiter": ",", "header": 1, "sheet": ""},
        "headers": row.headers,
        "mapping": row.mapping,
        "tallies": [
            Tally(code=c, rows=n) for c, n in sorted(row.tallies.items(), key=lambda kv: (-kv[1], kv[0]))
        ],
        "plan": row.plan,
        "undone": row.undone,
        "problem": row.problem,
        "progress": _progress(row),
        "actions": actions_in(row.state, has_file=not row.file_removed_at) if mine else [],
        "by_name": (row.actor or {}).get("name", ""),
        "errors": [remark_out(one) for one in remarks if one.severity == 2],
        "warnings": [remark_out(one) for one in remarks if one.severity == 1],
    }
    return ImportOut.model_validate({**_common(row), **extra})


def _common(row: Import) -> dict[str, object]:
    zh, en = STATE_LABELS[State(row.state)]
    names = [name for name in ImportRow.model_fields if name not in {"state_zh", "state_en"}]
    return {**{name: getattr(row, name) for name in names}, "state_zh": zh, "state_en": en}


def _progress(row: Import) -> float:
    if row.state == State.CHECKING:
        at = (row.plan or {}).get("at", 0)
    elif row.state == State.UNDOING:
        done = row.undone or {}
        taken = row.created + row.updated
        return min(1.0, (done.get("removed", 0) + done.get("restored", 0)) / taken) if taken else 0.0
    else:
        at = row.cursor
    return min(1.0, at / row.rows_total) if row.rows_total else 0.0


def remark_out(remark: ImportRemark) -> RemarkOut:
    """A remark on the wire."""
    names = ("row", "severity", "source_id", "field", "code", "value", "zh", "en")
    return RemarkOut.model_validate(
        {"id": str(remark.seq), **{name: getattr(remark, name) for name in names}}
    )


def preview(seen: Inspected, mapping: Sequence[str | None]) -> Preview:
    """The first rows. Only what a field is known to hold plainly is shown in full."""
    return Preview(
        layout=LayoutOut.model_validate(seen.layout.as_json()),
        encodings=[] if seen.layout.sheet else list(CODECS),
        sheets=seen.layout.sheets,
        headers=seen.headers,
        samples=[
            [_shown(cell, field) for cell, field in zip(row, mapping, strict=False)] for row in seen.samples
        ],
        mapping=list(mapping),
    )


def _shown(cell: str, field: str | None) -> str:
    plain = "".join(c if c.isprintable() else "�" for c in cell.strip()[:_SHOWN_CELL])
    if field is None:
        return mask_middle(plain, 1, 1) or ""
    return shown_value(field, plain) if field in PERSONAL_FIELDS else plain


def fields_out() -> list[FieldOut]:
    """The fields a column may hold."""
    return [
        FieldOut(name=name, zh=f.zh, en=f.en, several=f.several, required=name == REQUIRED)
        for name, f in FIELDS.items()
    ]


async def remarks_csv(database: Database, import_id: str) -> AsyncIterator[bytes]:
    """All kept remarks as CSV, UTF-8 with BOM, values masked and formulas harmless; in blocks."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    buffer.write("\ufeff")
    writer.writerow(_HEADER)
    async with database.transaction() as session:
        async for one in repository.each_remark(session, import_id):
            result = "未导入 refused" if one.severity == 2 else "提醒 warning"
            cells = (str(one.row), one.source_id, one.field, result, one.code, one.zh, one.en, one.value)
            writer.writerow([neutralise(cell) for cell in cells])
            if buffer.tell() > 1 << 16:
                yield buffer.getvalue().encode()
                buffer.seek(0)
                buffer.truncate()
    yield buffer.getvalue().encode()
