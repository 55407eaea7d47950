"""Lists of shops for tests of the import: uploading them, waiting for the work on them, small workbooks."""

import asyncio
import io
import zipfile
from typing import Any
from xml.sax.saxutils import escape

from services.common.identity import Claims
from tests.records_world import OFFICER, World, officer

HEADER = "id,name,phone,qq,wechat,address,licence,icp,platform"
IMPORTER = OFFICER | {"registry:import", "registry:reveal"}
ENDED = {"uploaded", "checked", "done", "failed", "cancelled", "undone"}


def importer(region: str, name: str = "李雷") -> Claims:
    """An officer who may import."""
    return officer(region, name, IMPORTER)


async def upload(
    world: World, claims: Claims, data: bytes | str, source: str = "平台报送", name: str = "shops.csv"
) -> dict[str, Any]:
    """Upload a list; gives the import as answered."""
    raw = data if isinstance(data, bytes) else data.encode()
    answer = await world.at_registry(claims).call(
        "POST", "/imports", files={"file": (name, raw, "text/csv")}, data={"source": source}
    )
    assert answer.status_code == 201, answer.text
    result: dict[str, Any] = answer.json()
    return result


async def do(world: World, claims: Claims, import_id: str, action: str, **body: Any) -> dict[str, Any]:
    """Ask for an action and wait until the work it starts has ended; gives the import."""
    http = world.at_registry(claims)
    answer = await http.call("POST", f"/imports/{import_id}/{action}", json=body)
    assert answer.status_code == 202, answer.text
    return await ended(world, claims, import_id)


async def ended(world: World, claims: Claims, import_id: str) -> dict[str, Any]:
    """Wait until nobody works on the import; gives it."""
    http = world.at_registry(claims)
    for _ in range(2_000):
        found: dict[str, Any] = await http.get(f"/imports/{import_id}")
        if found["state"] in ENDED:
            return found
        await asyncio.sleep(0.01)
    raise AssertionError(found)


async def load(world: World, claims: Claims, data: bytes | str, source: str = "平台报送") -> dict[str, Any]:
    """Upload a list and take it in; gives the import when it has ended."""
    received = await upload(world, claims, data, source)
    return await do(world, claims, received["id"], "start")


def workbook(rows: list[list[str | int | float]], sheet: str = "名录") -> bytes:
    """A small .xlsx (ECMA-376) with one sheet: texts inline, numbers as numbers."""
    xml = "".join(f"<row>{''.join(map(_cell, row))}</row>" for row in rows)
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    rel = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" '
        'ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType='
        '"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="a" '
        f'Type="{rel}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{rel}"><sheets><sheet name="{sheet}" '
        'sheetId="1" r:id="s"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="s" '
        f'Type="{rel}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{xml}</sheetData></worksheet>',
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, '<?xml version="1.0" encoding="UTF-8"?>' + text)
    return out.getvalue()


def _cell(value: str | int | float) -> str:
    if isinstance(value, str):
        return f'<c t="inlineStr"><is><t>{escape(value)}</t></is></c>'
    return f"<c><v>{value}</v></c>"
