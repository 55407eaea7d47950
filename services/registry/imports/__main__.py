"""Import a CSV of shops from the command line of the machine that runs the registry.

Command: python -m services.registry.imports FILE [--source NAME] [--org CODE]
Exit codes: 0 all rows taken, 1 some rows refused or the file broke off, 2 the file cannot be read.
"""

import argparse
import asyncio
import getpass
import sys
from pathlib import Path

from services.common.database import Database
from services.common.identity import Claims
from services.common.problems import Problem
from services.common.settings import get_settings
from services.registry.imports.schemas import ImportOut
from services.registry.imports.service import import_shops
from services.registry.organisations import repository as organisations


async def _import(file: Path, source: str, org: str) -> ImportOut:
    database = Database(get_settings().database_url("registry"), "registry")
    try:
        async with database.transaction() as session:
            found = await organisations.by_code(session, org)
        if found is None:
            raise Problem("organisation.unknown", 422, zh="没有这个机构", en="no such organisation")
        claims = Claims(
            f"local:{getpass.getuser()}", getpass.getuser(), found.code, found.name, found.region_code
        )
        with file.open("rb") as stream:
            return await import_shops(database, claims, stream=stream, filename=file.name, source=source)
    finally:
        await database.close()


def main() -> int:
    """Command line; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m services.registry.imports")
    parser.add_argument("file", type=Path)
    parser.add_argument("--source", default="manual-csv", help="name of the list; importing it again updates")
    parser.add_argument("--org", default="360000-SJ", help="authority the rows belong to")
    given = parser.parse_args()
    try:
        result = asyncio.run(_import(given.file, given.source, given.org))
    except Problem as problem:
        print(f"{problem.zh} · {problem.en}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"无法读取文件 · cannot read the file: {error.strerror}", file=sys.stderr)
        return 2
    print(
        f"{result.state}: 行 rows {result.rows}，新增 created {result.created}，"
        f"更新 updated {result.updated}，未变 unchanged {result.unchanged}，"
        f"提醒 warnings {result.warning_count}，错误 errors {result.error_count}"
    )
    for row in result.errors[:20]:
        print(f"  第{row.row}行 {row.field} {row.zh} · {row.en}", file=sys.stderr)
    return 0 if result.state == "done" and not result.error_count else 1


if __name__ == "__main__":
    raise SystemExit(main())
