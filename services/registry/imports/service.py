"""Use cases of imports: receive a file, say how it is read, try it, start, stop, undo, look."""

import asyncio
from pathlib import PurePath
from typing import IO, Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.common.audit import record
from services.common.clock import utc_now
from services.common.database import Database
from services.common.identity import Claims
from services.common.ids import new_id
from services.common.paging import Page, encode_cursor
from services.common.personal import PersonalData
from services.common.problems import Problem, not_found
from services.common.wire import ListQuery
from services.registry.imports import receiving, repository
from services.registry.imports.fields import mapping_fault, suggest, to_remember
from services.registry.imports.models import Import
from services.registry.imports.reading.inspection import Inspected
from services.registry.imports.reading.kept import KeptFiles
from services.registry.imports.reading.tables import Layout
from services.registry.imports.rules import STATE_LABELS, State, allowed
from services.registry.imports.runner import ImportRunner, actor_of
from services.registry.imports.schemas import ImportOut, ImportRow, LayoutIn, UndoPreview
from services.registry.imports.taking.pool import warm_up
from services.registry.imports.undoing import service as undoing
from services.registry.imports.views import full, listed


async def receive(
    database: Database, files: KeptFiles, claims: Claims, *, stream: IO[bytes], filename: str, source: str
) -> ImportOut:
    """Keep a file as received and say what is in it.

    Raises Problem 413 `import.too_large`, 422 for a file that cannot be read, 507 when there is no room for
    it.
    """
    import_id = new_id()
    if await asyncio.to_thread(receiving.is_long, stream):
        warm_up()
    kept = await asyncio.to_thread(receiving.keep, files, import_id, stream)
    try:
        seen = await asyncio.to_thread(receiving.look, files, import_id, None)
        async with database.transaction() as session:
            remembered = await repository.remembered(session, claims.org, source)
            row = _new(import_id, claims, filename, source, kept, seen)
            row.mapping = suggest(seen.headers, seen.samples, remembered)
            await repository.add(session, row)
            after = {"source": source, "filename": row.filename, "sha256": row.sha256, "bytes": row.bytes}
            await _record(session, claims, "import.uploaded", row, after)
    except BaseException:
        await asyncio.to_thread(files.remove, import_id)
        raise
    return full(row, claims, [])


def _new(
    import_id: str, claims: Claims, filename: str, source: str, kept: receiving.Received, seen: Inspected
) -> Import:
    now = utc_now()
    plain = "".join(c for c in PurePath(filename.replace("\\", "/")).name if c.isprintable())
    counts = dict.fromkeys(
        ("rows", "created", "updated", "unchanged", "doubled", "warning_count", "error_count", "cursor"), 0
    )
    return Import(
        id=import_id,
        source=source,
        filename=plain[-255:] or "upload",
        sha256=kept.sha256,
        bytes=kept.bytes,
        encoding=seen.layout.encoding,
        layout=seen.layout.as_json(),
        headers=seen.headers,
        mapping=[],
        state=State.UPLOADED,
        rows_total=seen.rows or kept.lines,
        tallies={},
        cancel=False,
        org_code=claims.org,
        region_code=claims.region,
        created_by=claims.sub,
        created_at=now,
        updated_at=now,
        actor=actor_of(claims),
        **counts,
    )


async def read_anew(
    session: AsyncSession, files: KeptFiles, claims: Claims, import_id: str, given: LayoutIn
) -> Inspected:
    """Read the file in another way; the columns are suggested anew. Raises Problem 404, 403, 409, 422."""
    row = await own(session, claims, import_id, "describe")
    now = Layout(**row.layout)
    wanted = Layout(given.encoding, given.delimiter, given.header, given.sheet)
    seen = await asyncio.to_thread(receiving.look, files, import_id, wanted)
    if seen.layout != now:
        row.layout, row.headers, row.encoding = seen.layout.as_json(), seen.headers, seen.layout.encoding
        row.rows_total = seen.rows or row.rows_total
        row.mapping = suggest(
            seen.headers, seen.samples, await repository.remembered(session, claims.org, row.source)
        )
        _not_checked(row)
    return seen


async def choose(
    session: AsyncSession, claims: Claims, import_id: str, mapping: list[str | None]
) -> ImportOut:
    """Say which column is what; remembered for the source. Raises Problem 404, 403, 409, 422."""
    row = await own(session, claims, import_id, "describe")
    if len(mapping) != len(row.headers):
        raise _invalid("import.mapping_length", "列数与文件不符", "as many fields as the file has columns")
    fault = mapping_fault(mapping)
    if fault:
        raise _invalid(*fault)
    row.mapping = list(mapping)
    await repository.remember(session, claims, row.source, to_remember(row.headers, mapping), utc_now())
    _not_checked(row)
    return full(row, claims, [])


async def check(session: AsyncSession, claims: Claims, import_id: str) -> ImportOut:
    """Ask for a dry run. Raises Problem 404, 403, 409, 422."""
    row = await own(session, claims, import_id, "check")
    _refuse_unmapped(row)
    row.state, row.actor, row.plan, row.problem = State.CHECKING, actor_of(claims), None, None
    row.lease_until, row.cancel, row.updated_at = None, False, utc_now()
    return full(row, claims, [])


async def start(session: AsyncSession, claims: Claims, import_id: str) -> ImportOut:
    """Ask for the rows to be taken in, from where it stopped if it did. Raises Problem 404, 403, 409, 422."""
    row = await own(session, claims, import_id, "start")
    _refuse_unmapped(row)
    begun = row.cursor > 0
    if not begun:
        await repository.clear_remarks(session, row.id)
        await repository.remember(
            session, claims, row.source, to_remember(row.headers, row.mapping), utc_now()
        )
    row.state, row.actor, row.problem, row.finished_at = State.RUNNING, actor_of(claims), None, None
    row.stamp = row.stamp or utc_now()
    row.lease_until, row.cancel, row.updated_at = None, False, utc_now()
    await _record(
        session, claims, "import.resumed" if begun else "import.started", row, {"source": row.source}
    )
    return full(row, claims, [])


async def cancel(session: AsyncSession, claims: Claims, import_id: str) -> ImportOut:
    """Ask the work to stop after the batch under way; what is in stays in. Raises Problem 404, 403, 409."""
    row = await own(session, claims, import_id, "cancel")
    row.cancel = True
    await _record(session, claims, "import.cancel", row, {"rows": row.rows})
    return full(row, claims, [])


async def undo_preview(session: AsyncSession, claims: Claims, import_id: str) -> UndoPreview:
    """What undoing would do, and what stands in the way. Raises Problem 404, 403, 409."""
    row = await own(session, claims, import_id, "undo")
    found = await undoing.survey(session, row)
    return UndoPreview.model_validate({**found, "newer": await _newer(session, row)})


async def undo(session: AsyncSession, claims: Claims, import_id: str, *, leave_built: bool) -> ImportOut:
    """Ask for the import to be undone as a whole.

    Raises Problem 404, 403, 409: `import.newer` when a later list of the source came in, `import.built_on`
    when something was built on its rows and the caller did not say to leave those.
    """
    row = await own(session, claims, import_id, "undo")
    newer = await _newer(session, row)
    if newer:
        raise Problem(
            "import.newer",
            409,
            zh="同一来源之后又有导入",
            en="a later list of the same source was imported",
            todo_zh="请先撤销较晚的那一次",
            todo_en="undo the later one first",
            extra={"import_id": newer},
        )
    found = await undoing.survey(session, row)
    if found["kept"] and not leave_built:
        raise _built_on(found["kept"])
    row.state, row.actor, row.undone = State.UNDOING, actor_of(claims), undoing.begun(utc_now())
    row.lease_until, row.cancel, row.updated_at = None, False, utc_now()
    await _record(session, claims, "import.undo", row, {"leave_built": leave_built})
    return full(row, claims, [])


def _built_on(kept: list[dict[str, Any]]) -> Problem:
    rows = sum(entry["rows"] for entry in kept)
    zh = "、".join(f"{entry['zh']} {entry['rows']} 行" for entry in kept)
    en = ", ".join(f"{entry['en']}: {entry['rows']}" for entry in kept)
    return Problem(
        "import.built_on",
        409,
        zh=f"有 {rows} 行导入后已有后续工作：{zh}",
        en=f"{rows} rows are in use since: {en}",
        todo_zh="可选择保留这些行，撤销其余",
        todo_en="choose to leave these rows and undo the rest",
        extra={"kept": kept},
    )


async def discard(session: AsyncSession, claims: Claims, import_id: str) -> None:
    """Drop a file nothing was taken from. Raises Problem 404, 403, 409."""
    row = await own(session, claims, import_id, "discard")
    await _record(session, claims, "import.discarded", row, {"sha256": row.sha256})
    await repository.remove(session, row)


async def list_imports(session: AsyncSession, claims: Claims, query: ListQuery) -> Page[ImportRow]:
    """One page of the imports the caller may see, newest first."""
    rows, total, capped = await repository.page(session, claims, query)
    shown = rows[: query.limit]
    return Page(
        items=[listed(row) for row in shown],
        next_cursor=encode_cursor([shown[-1].id]) if len(rows) > query.limit else None,
        total=total,
        total_capped=capped,
    )


async def get_import(session: AsyncSession, claims: Claims, import_id: str) -> ImportOut:
    """One import with its first remarks. Raises 404 when not visible."""
    row = await visible(session, claims, import_id)
    first = [
        remark
        for severity in (2, 1)
        for remark in (await repository.remarks(session, import_id, severity, 0, 100))[:100]
    ]
    return full(row, claims, first)


async def visible(session: AsyncSession, claims: Claims, import_id: str) -> Import:
    """The import. Raises Problem 404 when the caller may not see it."""
    row = await repository.visible(session, claims, import_id)
    if row is None:
        raise not_found("导入记录", "import")
    return row


async def own(session: AsyncSession, claims: Claims, import_id: str, action: str) -> Import:
    """The caller's own import, locked, in a state that allows the action. Raises Problem 404, 403, 409."""
    row = await repository.visible(session, claims, import_id, lock=True)
    if row is None:
        raise not_found("导入记录", "import")
    if row.org_code != claims.org:
        raise Problem(
            "import.not_yours",
            403,
            zh="只有导入单位可以操作",
            en="only the organisation that imported it may do this",
        )
    if allowed(action, row.state) and not allowed(action, row.state, has_file=not row.file_removed_at):
        raise Problem(
            "import.file_removed",
            409,
            zh="原始文件保存期已满，已删除",
            en="the file was removed when its time was over",
            todo_zh="请重新上传该文件",
            todo_en="upload it again",
        )
    if not allowed(action, row.state):
        zh, en = STATE_LABELS[State(row.state)]
        raise Problem("import.state", 409, zh=f"当前状态（{zh}）不能这样做", en=f"not possible now: {en}")
    return row


async def import_now(
    database: Database,
    files: KeptFiles,
    personal: PersonalData,
    claims: Claims,
    *,
    stream: IO[bytes],
    filename: str,
    source: str,
    processes: int | None = None,
) -> ImportOut:
    """Receive a file and take it in, in this process and to the end.

    After a long list the service makes the links anew. Raises what `receive` and `start` raise.
    """
    received = await receive(database, files, claims, stream=stream, filename=filename, source=source)
    async with database.transaction() as session:
        await start(session, claims, received.id)
    runner = ImportRunner(database, files, personal, processes)
    while True:
        await runner.run_next()
        async with database.transaction() as session:
            result = await get_import(session, claims, received.id)
        if result.state != State.RUNNING:
            await runner.finished()
            return result
        await asyncio.sleep(0.5)


def _refuse_unmapped(row: Import) -> None:
    fault = mapping_fault(row.mapping)
    if fault:
        raise _invalid(*fault)


def _not_checked(row: Import) -> None:
    row.state, row.plan, row.updated_at = State.UPLOADED, None, utc_now()


def _invalid(code: str, zh: str, en: str) -> Problem:
    return Problem(
        code, 422, zh=zh, en=en, todo_zh="请在“对应字段”一步改正", todo_en="correct it in the step “columns”"
    )


async def _newer(session: AsyncSession, row: Import) -> str | None:
    return await repository.newer_of_source(session, row) if row.stamp else None


async def _record(
    session: AsyncSession, claims: Claims, event: str, row: Import, after: dict[str, Any]
) -> None:
    await record(session, claims, event=event, object_type="import", object_id=row.id, after=after)
