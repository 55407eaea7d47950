"""Load the shipped divisions and authorities, and on request the demo market's shops.

Command: python -m services.registry.bootstrap [--demo]   (may be run again at any time)
"""

import argparse
import asyncio
import importlib
import io
import sys
from pathlib import Path

from services.common.database import Database
from services.common.identity import Claims
from services.common.migrate import upgrade
from services.common.personal_keys import personal_data
from services.common.problems import Problem
from services.common.settings import get_settings
from services.registry.imports.reading.kept import KeptFiles
from services.registry.imports.schemas import ImportOut
from services.registry.imports.service import import_now
from services.registry.organisations import repository as organisations
from services.registry.organisations.rules import BUREAU, SUFFIX, bureaux
from services.registry.regions import repository as regions
from services.registry.regions.rules import Division, Level, parse_divisions

DATA = Path(__file__).parent / "data" / "jiangxi_divisions.csv"
DEMO_SOURCE = "demo-market"
DEMO_CATALOGUE = "infra.demo_market.catalogue"


def shipped_divisions() -> list[Division]:
    """The divisions that come with the project (1 province, 11 cities, 100 counties), parents first."""
    return parse_divisions(DATA.read_text(encoding="utf-8"))


async def load_divisions(database: Database) -> int:
    """Insert the shipped divisions and their authorities where missing; gives the number of divisions."""
    divisions = shipped_divisions()
    async with database.transaction() as session:
        await regions.upsert(session, divisions)
        await organisations.upsert(session, bureaux(divisions))
    return len(divisions)


async def load_demo(database: Database) -> ImportOut:
    """Import the demo market's shops for the province; counties follow from the addresses.

    Raises Problem 422 `demo.missing` when this installation has no demo market.
    """
    try:
        catalogue = importlib.import_module(DEMO_CATALOGUE)
        text: str = catalogue.subjects_csv()
    except (ModuleNotFoundError, AttributeError) as error:
        raise Problem(
            "demo.missing",
            422,
            zh="本安装没有演示市场数据",
            en="this installation has no demo market data",
        ) from error
    settings, personal = get_settings(), await personal_data(database)
    return await import_now(
        database,
        KeptFiles(settings.imports_dir, personal),
        personal,
        local_operator(),
        stream=io.BytesIO(text.encode()),
        filename="demo.csv",
        source=DEMO_SOURCE,
        processes=0,
    )


def local_operator() -> Claims:
    """Whoever runs a command on this machine: the province, acting as the registry itself."""
    province = next(d for d in shipped_divisions() if d.level is Level.PROVINCE)
    return Claims(
        sub="service:registry",
        name="bootstrap",
        org=province.code + SUFFIX,
        org_name=province.name + BUREAU,
        region=province.code,
    )


async def _run(demo: bool) -> None:
    url = get_settings().database_url("registry")
    await asyncio.to_thread(upgrade, "registry", url)
    database = Database(url, "registry")
    try:
        print(f"区划与机构 divisions and authorities: {await load_divisions(database)}")
        if demo:
            result = await load_demo(database)
            print(
                f"演示数据 demo rows: {result.rows}（新增 created {result.created}，"
                f"更新 updated {result.updated}，提醒 warnings {result.warning_count}，"
                f"错误 errors {result.error_count}）"
            )
    finally:
        await database.close()


def main() -> int:
    """Command line; gives the exit code (2 with one line on bad input)."""
    parser = argparse.ArgumentParser(prog="python -m services.registry.bootstrap")
    parser.add_argument("--demo", action="store_true", help="also import the demo market's shops")
    given = parser.parse_args()
    try:
        asyncio.run(_run(given.demo))
    except Problem as problem:
        print(f"{problem.zh} · {problem.en}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
