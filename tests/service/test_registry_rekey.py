"""Keys of personal values: made once, never in place of a missing one, changed while rows stay readable."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlalchemy import LargeBinary

from services.common.database import Database
from services.common.ids import new_id
from services.common.personal import PersonalDataError
from services.common.personal_keys import key_file, load, personal_data, refresh
from services.common.suites import KeyUnreadableError
from services.registry.imports.reading.kept import KeptFiles
from services.registry.rekey.repository import BLOCKS
from services.registry.rekey.rules import SEALED
from services.registry.rekey.service import reseal, rewrap
from services.registry.tables import Base
from tests.records_world import sql

INSERT = (
    "INSERT INTO subjects (id, name, kind, source, warnings, search_text, grams, org_code, region_code,"
    " created_by, created_at, updated_at, personal) SELECT id, '主体', 'other', 'test', '[]', '', '{}', 'o',"
    " '360121', 'u', now(), now(), sealed FROM unnest(CAST(:ids AS text[]), CAST(:sealed AS bytea[]))"
    " AS r(id, sealed)"
)


@pytest.fixture(scope="module")
def url(make_database: Callable[[str], str]) -> str:
    return make_database("registry")


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """The module's database, empty and without keys."""
    opened = Database(url, "registry")
    await sql(opened, "TRUNCATE data_keys, subjects, changes CASCADE")
    yield opened
    await opened.close()


async def files(database: Database) -> list[Path]:
    rows = await sql(database, "SELECT DISTINCT substring(wrapped FROM 1 FOR 8) AS name FROM data_keys")
    return [key_file(bytes(row.name)) for row in rows]


async def fill(database: Database, count: int) -> dict[str, dict[str, str]]:
    """Subjects with a sealed phone each; gives id → values."""
    personal = await personal_data(database)
    rows = {new_id(): {"phone": f"138{n:08}"} for n in range(count)}
    sealed = [personal.seal(values, about) for about, values in rows.items()]
    await sql(database, INSERT, ids=list(rows), sealed=sealed)
    return rows


async def stored(database: Database) -> dict[str, dict[str, str]]:
    personal = await personal_data(database)
    rows = await sql(database, "SELECT id, personal FROM subjects WHERE personal IS NOT NULL")
    return {row.id: personal.open(bytes(row.personal), row.id) for row in rows}


CHANGE = (
    "INSERT INTO changes (object_type, object_id, field, sealed, source, at, by, by_name, org_code)"
    " VALUES ('subject', :about, 'phone', :sealed, 'test', now(), 'u', 'u', 'o')"
)
NO_FILES = Path("/nonexistent")


def quiet(what: str, done: int, of: int) -> None:
    pass


async def test_the_key_file_is_made_once_and_private(database: Database) -> None:
    rings = [one.ring for one in await asyncio.gather(*(personal_data(database) for _ in range(5)))]
    assert all(ring == rings[0] for ring in rings)
    (file,) = await files(database)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    rows = await sql(database, "SELECT wrapped FROM data_keys")
    everything = b"".join(bytes(row.wrapped) for row in rows)
    secret = bytes.fromhex(file.read_text())
    assert secret not in everything
    assert not any(key in everything for key in (*rings[0].data.values(), rings[0].index))


async def test_a_missing_or_wrong_key_file_is_refused_and_none_is_made(database: Database) -> None:
    await personal_data(database)
    (file,) = await files(database)
    kept = file.read_bytes()
    there = set(file.parent.iterdir())
    for content in (None, b"", b"nonsense", b"00" * 32):
        file.unlink() if content is None else file.write_bytes(content)
        with pytest.raises(KeyUnreadableError):
            await personal_data(database)
        assert set(file.parent.iterdir()) <= there
    file.write_bytes(kept)
    await personal_data(database)
    await sql(database, "UPDATE data_keys SET wrapped = set_byte(wrapped, 30, get_byte(wrapped, 30) # 1)")
    with pytest.raises(KeyUnreadableError, match="damaged"):
        await personal_data(database)


async def test_two_keys_cannot_change_places(database: Database) -> None:
    """The index key put in the place of the data key does not unwrap: its number and purpose are bound."""
    await personal_data(database)
    await sql(
        database,
        "UPDATE data_keys AS a SET wrapped = b.wrapped FROM data_keys AS b WHERE a.id <> b.id",
    )
    with pytest.raises(KeyUnreadableError):
        await personal_data(database)


async def test_rewrapping_changes_the_file_and_no_row(database: Database) -> None:
    rows = await fill(database, 3)
    before = await sql(database, "SELECT id, personal FROM subjects ORDER BY id")
    (old,) = await files(database)
    assert await rewrap(database) == 2
    (new,) = await files(database)
    assert new != old and new.exists() and not old.exists()
    assert await sql(database, "SELECT id, personal FROM subjects ORDER BY id") == before
    assert await stored(database) == rows


async def test_resealing_changes_every_row_and_running_processes_follow(database: Database) -> None:
    rows = await fill(database, 50)
    running = await personal_data(database)
    about = next(iter(rows))
    told = running.seal({"field": "phone", "old": "1"}, about)
    await sql(database, CHANGE, about=about, sealed=told)
    seen: list[tuple[str, int, int]] = []
    result = await reseal(database, NO_FILES, lambda *step: seen.append(step), wait=0)
    assert (result.rows, result.unreadable, result.destroyed, result.kept) == (51, 0, [], [1])
    assert {name for name, _, _ in seen} == {"subjects", "changes"}
    (change,) = await sql(database, "SELECT object_id, sealed FROM changes")
    assert (await personal_data(database)).open(bytes(change.sealed), change.object_id)["old"] == "1"
    assert await stored(database) == rows
    heads = await sql(database, "SELECT DISTINCT substring(personal FROM 1 FOR 3) FROM subjects")
    assert [bytes(row[0]) for row in heads] == [b"\x01\x00\x03"]
    sample = await sql(database, "SELECT id, personal FROM subjects LIMIT 1")
    with pytest.raises(PersonalDataError):
        running.open(bytes(sample[0].personal), sample[0].id)
    await refresh(database, running)
    assert running.open(bytes(sample[0].personal), sample[0].id) == rows[sample[0].id]


async def test_a_new_key_waits_until_everybody_has_read_it(database: Database) -> None:
    first = await personal_data(database)
    steps: list[str] = []
    work = asyncio.create_task(reseal(database, NO_FILES, lambda what, *_: steps.append(what), wait=1.0))
    await asyncio.sleep(0.4)
    meanwhile = await personal_data(database)
    assert (meanwhile.ring.current, sorted(meanwhile.ring.data)) == (first.ring.current, [1, 3])
    assert (await work).current == 3 and "wait" in steps


async def test_an_interrupted_change_goes_on_where_it_was(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.registry.rekey.repository.BLOCKS", 1)
    assert BLOCKS > 1
    rows = await fill(database, 300)

    def stop(what: str, done: int, of: int) -> None:
        if what == "subjects" and done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await reseal(database, NO_FILES, stop, wait=0)
    assert await stored(database) == rows
    left = await sql(
        database, r"SELECT count(*) FROM subjects WHERE substring(personal FROM 1 FOR 3) = '\x010001'"
    )
    assert 0 < left[0][0] < 300
    result = await reseal(database, NO_FILES, quiet, wait=0)
    assert (result.current, result.rows) == (3, left[0][0])
    assert await stored(database) == rows


async def test_old_keys_end_only_when_nothing_needs_them(database: Database) -> None:
    await fill(database, 5)
    moved = await sql(database, "SELECT id FROM subjects ORDER BY id LIMIT 2")
    await sql(
        database,
        "UPDATE subjects SET personal = (SELECT personal FROM subjects WHERE id = :a) WHERE id = :b",
        a=moved[0].id,
        b=moved[1].id,
    )
    first = await reseal(database, NO_FILES, quiet, wait=0)
    assert (first.rows, first.unreadable, first.kept) == (4, 1, [1])
    await sql(database, "UPDATE data_keys SET retired_at = now() - interval '2 days' WHERE id = 1")
    assert (
        await reseal(database, NO_FILES, quiet, fresh=False)
    ).destroyed == []  # the damaged row still names it
    await sql(database, "DELETE FROM subjects WHERE id = :b", b=moved[1].id)
    assert (await reseal(database, NO_FILES, quiet, fresh=False)).destroyed == [1]
    assert len(await stored(database)) == 4


async def test_imported_files_follow(database: Database, tmp_path: Path) -> None:
    kept = KeptFiles(tmp_path, await personal_data(database))
    content = os.urandom(1_200_000)
    kept.write("A", "original", lambda take: take(content))
    kept.write("B", "original", lambda take: take(b"phone\n13870911234\n"))
    path = kept.path("B", "original")
    path.write_bytes(path.read_bytes()[:-1])
    assert await sql(database, "UPDATE data_keys SET created_at = now()") == []
    result = await reseal(database, tmp_path, quiet, wait=0)
    assert (result.files, result.unreadable, result.kept) == (1, 1, [1])
    with pytest.raises(PersonalDataError):
        kept.open("A", "original").read()
    fresh = KeptFiles(tmp_path, await personal_data(database))
    with fresh.open("A", "original") as file:
        assert file.read() == content
    assert path.stat().st_mode & 0o777 == 0o600
    await sql(database, "UPDATE data_keys SET retired_at = now() - interval '2 days' WHERE id = 1")
    assert (await reseal(database, tmp_path, quiet, fresh=False)).destroyed == []  # B still names it
    fresh.remove("B")
    assert (await reseal(database, tmp_path, quiet, fresh=False)).destroyed == [1]


def test_every_sealed_column_is_known_to_the_change_of_keys() -> None:
    """A new column of bytes is sealed anew with the rest, or named here as not sealed."""
    known = {(one.table, one.column) for one in SEALED} | {("data_keys", "wrapped")}
    found = {
        (table.name, column.name)
        for table in Base.metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, LargeBinary)
    }
    assert found - known == set()


async def command(database: Database, **environment: str) -> subprocess.CompletedProcess[str]:
    url = database.engine.url.render_as_string(hide_password=False)
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "wangjian", "registry", "rekey"],
        env={**os.environ, "WANGJIAN_DATABASE_URL_REGISTRY": url, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.slow
async def test_the_command_says_in_one_line_that_the_key_file_is_missing(
    database: Database, tmp_path: Path
) -> None:
    rows = await fill(database, 2)
    lost = await command(database, WANGJIAN_SECRETS_DIR=str(tmp_path / "none"))
    assert (lost.returncode, len(lost.stderr.splitlines())) == (2, 1), lost.stderr
    assert await stored(database) == rows


async def test_the_command(database: Database) -> None:
    rows = await fill(database, 2)
    done = await command(database)
    assert (done.returncode, "keys wrapped anew: 2" in done.stdout) == (0, True), done.stderr
    assert await stored(database) == rows


async def test_rows_of_before_are_sealed_and_unsealed_by_the_migration(
    make_database: Callable[[str], str],
) -> None:
    from services.common.migrate import run, upgrade

    url = make_database("registry")
    await asyncio.to_thread(run, "registry", url, "downgrade", "0001")
    plain = Database(url, "registry")
    about = new_id()
    await sql(
        plain,
        "INSERT INTO subjects (id, name, kind, phone, legal_person, source, warnings, search_text, grams,"
        " org_code, region_code, created_by, created_at, updated_at) VALUES (:id, '旧主体', 'other',"
        " '13870911234', '欧阳慕容', 'test', '[]', '旧主体' || chr(10) || '13870911234', '{}', 'o', '360121',"
        " 'u', now(), now())",
        id=about,
    )
    await asyncio.to_thread(upgrade, "registry", url)
    await plain.engine.dispose()
    (row,) = await sql(plain, "SELECT * FROM subjects")
    async with plain.transaction() as session:
        connection = await session.connection()
        ring = await connection.run_sync(load)
    assert "13870911234" not in str(tuple(row)) and "旧主体" in row.search_text
    personal = await personal_data(plain)
    assert personal.ring == ring
    assert personal.open(bytes(row.personal), about) == {"phone": "13870911234", "legal_person": "欧阳慕容"}
    await asyncio.to_thread(run, "registry", url, "downgrade", "0001")
    await plain.engine.dispose()
    (back,) = await sql(plain, "SELECT phone, legal_person, search_text FROM subjects")
    assert (back.phone, back.legal_person) == ("13870911234", "欧阳慕容")
    await plain.close()
