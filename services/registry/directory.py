"""The shipped facts about places that are no divisions of today: retired codes and names, function zones."""

import csv
from pathlib import Path

from services.common.database import Database
from services.registry.organisations import repository as organisations
from services.registry.organisations.rules import Bureau, OrganisationKind
from services.registry.regions import repository as regions
from services.registry.regions.rules import Alias, Level, parse_aliases

DATA = Path(__file__).parent / "data"


def shipped_aliases() -> list[Alias]:
    """Retired codes and names of divisions, with their successors."""
    return parse_aliases((DATA / "region_aliases.csv").read_text(encoding="utf-8"))


def shipped_zones() -> list[Bureau]:
    """Authorities of function zones, in the tree of authorities but without a division of their own."""
    with (DATA / "jiangxi_zones.csv").open(encoding="utf-8", newline="") as file:
        return [
            Bureau(
                code=row["code"],
                name=row["name"],
                level=Level(row["level"]),
                region_code=row["region_code"],
                parent_code=row["parent_code"],
                kind=OrganisationKind(row["kind"]),
                verified=row["verified"] == "true",
            )
            for row in csv.DictReader(file)
        ]


async def load_directory(database: Database) -> None:
    """Insert what is shipped and missing; what was edited stays. Divisions and bureaux are there already."""
    async with database.transaction() as session:
        await regions.add_aliases(session, shipped_aliases())
        await organisations.upsert(session, shipped_zones())
