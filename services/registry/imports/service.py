"""Use cases of imports: a CSV of shops, streamed, in batches of one transaction each."""

import asyncio
import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import IO, Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.common.audit import record
from services.common.clock import utc_now
from services.common.database import Database
from services.common.identity import Claims
from services.common.ids import new_id
from services.common.paging import Page, encode_cursor
from services.common.personal import PersonalData
from services.common.personal_keys import personal_data
from services.common.problems import Problem, not_found
from services.common.scope import region_covers
from services.common.wire import ListQuery
from services.registry.identifiers.rules import Finding, compact, licence_kind
from services.registry.identifiers.service import show
from services.registry.imports import repository
from services.registry.imports.models import Import
from services.registry.imports.rules import (
    BadRow,
    ShopRow,
    UnreadableFile,
    bounded_lines,
    detect_encoding,
    read_rows,
    shop_identity,
    subject_key,
)
from services.registry.imports.schemas import ImportOut, ImportRow
from services.registry.personal.rules import personal_of
from services.registry.regions import repository as regions
from services.registry.regions.rules import Gazetteer
from services.registry.search.rules import contact_grams
from services.registry.subjects.rules import kind_of, searchable

BATCH_ROWS = 1_000
MAX_BYTES = 512 * 1024 * 1024
SHOWN_FINDINGS = 1_000


@dataclass
class _Run:
    """An import under way: who, where to, which divisions exist, and what came of it so far."""

    claims: Claims
    personal: PersonalData
    import_id: str
    source: str
    divisions: dict[str, str]
    places: Gazetteer
    rows: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    warning_count: int = 0
    error_count: int = 0
    warnings: list[dict[str, Any]] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)

    def warn(self, number: int, finding: Finding) -> None:
        self.warning_count += 1
        if len(self.warnings) < SHOWN_FINDINGS:
            self.warnings.append({"row": number, **finding.as_json()})

    def refuse(self, number: int, finding: Finding) -> None:
        self.error_count += 1
        if len(self.errors) < SHOWN_FINDINGS:
            self.errors.append({"row": number, **finding.as_json()})


async def import_shops(
    database: Database, claims: Claims, *, stream: IO[bytes], filename: str, source: str
) -> ImportOut:
    """Import a CSV of shops into the caller's region; gives the counts, warnings and row errors.

    Every batch of 1,000 rows is one transaction, so a row is in whole or not at all; a file that becomes
    unreadable half way keeps the batches before it and says so (state `failed`), and importing the mended
    file again creates nothing twice. Raises Problem 413 for a file over 512 MiB, 422 for one that is no CSV
    of shops from its first line on.
    """
    digest, encoding = await asyncio.to_thread(_inspect, stream)
    text = io.TextIOWrapper(stream, encoding=encoding, newline="")
    try:
        rows = read_rows(bounded_lines(text))
        try:
            batch = await asyncio.to_thread(_next_batch, rows)
        except UnreadableFile as error:
            raise _unreadable(error) from error
        run = await _begin(
            database, claims, filename=filename, source=source, sha256=digest, encoding=encoding
        )
        state = await _take_all(database, run, rows, batch)
    finally:
        text.detach()
    return await _finish(database, run, state)


def _inspect(stream: IO[bytes]) -> tuple[str, str]:
    digest, size = hashlib.sha256(), 0
    stream.seek(0)
    while block := stream.read(1 << 20):
        size += len(block)
        if size > MAX_BYTES:
            raise Problem(
                "import.too_large",
                413,
                zh="文件超过512 MiB",
                en="the file is larger than 512 MiB",
                todo_zh="请拆分后分次导入",
                todo_en="split it and import the parts",
            )
        digest.update(block)
    try:
        return digest.hexdigest(), detect_encoding(stream)
    except UnreadableFile as error:
        raise _unreadable(error) from error


def _unreadable(error: UnreadableFile) -> Problem:
    return Problem(
        error.code,
        422,
        zh=error.zh,
        en=error.en,
        todo_zh="请另存为CSV（UTF-8或GB18030），首行为规定的列名",
        todo_en="save it as CSV (UTF-8 or GB18030) with the given column names in the first line",
    )


def _next_batch(rows: Iterator[ShopRow | BadRow]) -> list[ShopRow | BadRow]:
    return list(islice(rows, BATCH_ROWS))


async def _begin(database: Database, claims: Claims, **facts: str) -> _Run:
    now = utc_now()
    row = Import(
        id=new_id(),
        source=facts["source"],
        filename=facts["filename"][:255].replace("\0", ""),
        sha256=facts["sha256"],
        encoding=facts["encoding"].replace("-sig", ""),
        state="running",
        rows=0,
        created=0,
        updated=0,
        unchanged=0,
        warning_count=0,
        error_count=0,
        warnings=[],
        errors=[],
        org_code=claims.org,
        region_code=claims.region,
        created_by=claims.sub,
        created_at=now,
        updated_at=now,
    )
    async with database.transaction() as session:
        await repository.add(session, row)
        divisions = {r.code: r.name for r in await regions.all_regions(session)}
        await record(
            session,
            claims,
            event="import.started",
            object_type="import",
            object_id=row.id,
            after={"source": row.source, "filename": row.filename, "sha256": row.sha256},
        )
    return _Run(claims, await personal_data(database), row.id, row.source, divisions, Gazetteer(divisions))


async def _take_all(
    database: Database, run: _Run, rows: Iterator[ShopRow | BadRow], batch: list[ShopRow | BadRow]
) -> str:
    while batch:
        good = _sift(run, batch)
        async with database.transaction() as session:
            known = await repository.known_ids(
                session, run.claims.org, run.source, [str(row.values["id"]) for row in good]
            )
        subjects, presences = await asyncio.to_thread(_prepare, run, good, known)
        async with database.transaction() as session:
            await _take(session, run, subjects, presences)
        try:
            batch = await asyncio.to_thread(_next_batch, rows)
        except UnreadableFile as error:
            run.refuse(run.rows + 2, Finding("", error.code, error.zh, error.en))
            return "failed"
    return "done"


def _sift(run: _Run, batch: list[ShopRow | BadRow]) -> list[ShopRow]:
    """Usable rows of a batch; of several with one id the last stands, and the others are named."""
    by_id: dict[str, ShopRow] = {}
    for row in batch:
        run.rows += 1
        if isinstance(row, BadRow):
            run.refuse(row.number, row.finding)
            continue
        key = str(row.values["id"])
        if key in by_id:
            zh = f"id 与第{by_id[key].number}行相同，以本行为准"
            run.warn(
                row.number, Finding("id", "row.double", zh, "Same id as an earlier row; this one stands")
            )
        by_id[key] = row
    return list(by_id.values())


def _prepare(
    run: _Run, good: list[ShopRow], known: dict[str, str]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    now = utc_now().isoformat()
    subjects: dict[str, dict[str, Any]] = {}
    presences: list[dict[str, Any]] = []
    for row in good:
        region, findings = _place(run, row)
        for finding in findings:
            run.warn(row.number, finding)
        owned = {
            "source": run.source,
            "org_code": run.claims.org,
            "region_code": region,
            "created_by": run.claims.sub,
            "created_at": now,
            "updated_at": now,
            "warnings": [f.as_json() for f in findings],
        }
        presences.append({**_presence(run, row, known), **owned})
        subject = _subject(run, row)
        if subject:
            subjects.setdefault(subject["licence_norm"], {**subject, **owned})
    return list(subjects.values()), presences


def _place(run: _Run, row: ShopRow) -> tuple[str, list[Finding]]:
    """Region of a row: what its address names inside the importer's area, else the importer's own."""
    findings = list(row.warnings)
    named = run.places.locate(row.values["address"])
    if named is None or named == run.claims.region:
        return run.claims.region, findings
    if region_covers(run.claims.region, named):
        return named, findings
    zh = f"地址指向{run.divisions[named]}，不在本辖区内，暂登记在本单位名下"
    findings.append(Finding("address", "address.outside", zh, "The address names a place outside your area"))
    return run.claims.region, findings


def _presence(run: _Run, row: ShopRow, known: dict[str, str]) -> dict[str, Any]:
    values = dict(row.values)
    channel, domain = shop_identity(values)
    source_id = values.pop("id")
    text, grams = searchable({**values, "source_id": source_id})
    presence_id = known.get(source_id or "") or new_id()
    return {
        **_sealed(run.personal, presence_id, values),
        "values": values,
        "id": presence_id,
        "source_id": source_id,
        "native_id": source_id,
        "channel": channel,
        "domain": domain,
        "search_text": text,
        "grams": grams,
        "import_id": run.import_id,
        "last_seen": utc_now().isoformat(),
        "fingerprint": run.personal.key(0, json.dumps(row.values, sort_keys=True)),
    }


def _subject(run: _Run, row: ShopRow) -> dict[str, Any] | None:
    licence = subject_key(row.values)
    if licence is None:
        return None
    values = {k: row.values[k] for k in ("name", "licence", "phone", "qq", "wechat", "address")}
    text, grams = searchable(values)
    subject_id = new_id()
    return {
        **_sealed(run.personal, subject_id, values),
        "id": subject_id,
        "kind": kind_of(licence).value,
        "licence_kind": licence_kind(licence),
        "licence_norm": compact(licence),
        "search_text": text,
        "grams": grams,
    }


def _sealed(personal: PersonalData, about: str, values: dict[str, str | None]) -> dict[str, Any]:
    """The values of a row with its personal ones sealed."""
    private = personal_of(values)
    plain = {name: value for name, value in values.items() if name not in private}
    return {
        **plain,
        "personal": personal.seal(private, about) if private else None,
        "contact_grams": contact_grams(private, personal.gram),
    }


async def _take(
    session: AsyncSession, run: _Run, subjects: list[dict[str, Any]], presences: list[dict[str, Any]]
) -> None:
    """One batch, in the caller's transaction: subjects, presences, the import's counts, the audit row."""
    ids = await repository.add_subjects(session, subjects)
    for presence in presences:
        licence = presence["licence"]
        presence["subject_id"] = ids.get(compact(licence)) if licence else None
    values = {presence["source_id"]: presence.pop("values") for presence in presences}
    created, updated = await repository.upsert_presences(session, presences) if presences else ({}, {})
    changed = {no: values[source_id] for source_id, no in {**created, **updated}.items()}
    await show(session, run.personal, changed, source=run.source, now=utc_now())
    run.created += len(created)
    run.updated += len(updated)
    run.unchanged += len(presences) - len(changed)
    await _save(session, run, "running")
    await record(
        session,
        run.claims,
        event="import.batch",
        object_type="import",
        object_id=run.import_id,
        after={"rows": run.rows, "created": len(created), "updated": len(updated)},
    )


async def _save(session: AsyncSession, run: _Run, state: str) -> Import:
    row = await repository.own(session, run.import_id)
    row.state, row.updated_at = state, utc_now()
    row.rows, row.created, row.updated, row.unchanged = run.rows, run.created, run.updated, run.unchanged
    row.warning_count, row.error_count = run.warning_count, run.error_count
    row.warnings, row.errors = list(run.warnings), list(run.errors)
    return row


async def _finish(database: Database, run: _Run, state: str) -> ImportOut:
    async with database.transaction() as session:
        row = await _save(session, run, state)
        row.finished_at = row.updated_at
        await record(
            session,
            run.claims,
            event=f"import.{state}",
            object_type="import",
            object_id=run.import_id,
            after={
                "rows": run.rows,
                "created": run.created,
                "updated": run.updated,
                "errors": run.error_count,
            },
        )
    return ImportOut.model_validate(row)


async def list_imports(session: AsyncSession, claims: Claims, query: ListQuery) -> Page[ImportRow]:
    """One page of the imports the caller may see, newest first."""
    rows, total, capped = await repository.page(session, claims, query)
    shown = rows[: query.limit]
    return Page(
        items=[ImportRow.model_validate(row) for row in shown],
        next_cursor=encode_cursor([shown[-1].id]) if len(rows) > query.limit else None,
        total=total,
        total_capped=capped,
    )


async def get_import(session: AsyncSession, claims: Claims, import_id: str) -> ImportOut:
    """One import with its remarks. Raises 404 when not visible."""
    row = await repository.visible(session, claims, import_id)
    if row is None:
        raise not_found("导入记录", "import")
    return ImportOut.model_validate(row)
