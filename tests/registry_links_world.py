"""Shops with shared values in two counties, linked by the real engine, for the tests of links."""

import random
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import FastAPI
from sqlalchemy import text

from services.common.identity import Claims
from services.common.settings import Settings
from services.registry.app import create_app
from services.registry.identifiers.service import sealed_identifiers
from services.registry.linking.service import rebuild
from tests.records_world import Http, officer

PERMISSIONS = frozenset(
    f"registry:{verb}"
    for verb in ("read", "write", "import", "claim", "reveal", "judge", "assign", "exchange")
)
HERE, THERE, CITY, PROVINCE = (
    officer(region, name, PERMISSIONS)
    for region, name in (("360121", "李雷"), ("360702", "韩梅"), ("360100", "市"), ("360000", "省"))
)
READER = officer("360121", "只读", frozenset({"registry:read"}))


@dataclass
class Links:
    """A running registry of its own database."""

    app: FastAPI
    token_for: Callable[[Claims], dict[str, str]]

    def at(self, claims: Claims) -> Http:
        return Http(self.app, self.token_for, claims)

    @property
    def db(self) -> Any:
        return self.app.state.db

    async def shop(self, claims: Claims, name: str, **values: str) -> str:
        """Enter a shop; gives its id."""
        made = await self.at(claims).post("/presences", name=name, channel="shop", **values)
        return str(made["id"])

    async def link(self) -> None:
        """Run the engine over everything."""
        await rebuild(self.db, lambda *_: None)


@asynccontextmanager
async def running_links(
    make_settings: Callable[..., Settings], token_for: Callable[[Claims], dict[str, str]]
) -> AsyncIterator[Links]:
    """Start a registry with a fresh database and stop it."""
    app = create_app(make_settings("registry"))
    async with app.router.lifespan_context(app):
        yield Links(app, token_for)


async def clone_shops(links: Links, template: str, count: int, seed: str = "9") -> list[tuple[str, int]]:
    """`count` more shops like `template`, without its values; (id, number) of each."""
    async with links.db.transaction() as session:
        columns = (
            await session.scalars(
                text(
                    "SELECT column_name FROM information_schema.columns WHERE table_name = 'presences'"
                    " AND is_generated = 'NEVER' AND is_identity = 'NO'"
                )
            )
        ).all()
        kept = sorted(set(columns) - {"id", "name", "source_id", "personal"})
        names = ", ".join(kept)
        rows = await session.execute(
            text(
                f"INSERT INTO presences (id, name, source_id, {names})"  # noqa: S608 - names of columns
                f" SELECT :seed || lpad(n::text, 25, '0'), '网店' || n, :seed || n, {names}"
                " FROM presences, generate_series(1, :count) AS n WHERE id = :template RETURNING id, no"
            ),
            {"seed": seed, "count": count, "template": template},
        )
        return [(row.id, row.no) for row in rows]


async def show_values(links: Links, held: Iterable[tuple[int, dict[str, str]]], seen: datetime) -> None:
    """Let shops (by number) show these values; the engine is told that a rebuild follows."""
    personal = links.app.state.personal
    rows = [row for no, values in held for row in sealed_identifiers(personal, no, values)]
    async with links.db.transaction() as session:
        await session.execute(text("SET LOCAL wangjian.linking = 'rebuild'"))
        await session.execute(
            text(
                "INSERT INTO identifiers (presence_no, kind, key, value, source, first_seen, last_seen)"
                " SELECT no, kind, key, value, 'list', :seen, :seen + make_interval(days => (no % 90)::int)"
                " FROM unnest(CAST(:nos AS bigint[]), CAST(:kinds AS smallint[]), CAST(:keys AS bigint[]),"
                " CAST(:sealed AS bytea[])) AS given(no, kind, key, value) ON CONFLICT DO NOTHING"
            ),
            {
                "seen": seen,
                "nos": [row[0] for row in rows],
                "kinds": [row[1] for row in rows],
                "keys": [row[2] for row in rows],
                "sealed": [row[3] for row in rows],
            },
        )


def invented(count: int, seed: int) -> list[dict[str, str]]:
    """What each of `count` shops shows: operators of one to six shops, agents' phones, few or many values."""
    rng, shops, operator = random.Random(seed), [], 0
    agents = [f"1507{rng.randrange(10**7):07d}" for _ in range(max(count // 100, 1))]
    while len(shops) < count:
        operator += 1
        own = {
            "phone": f"139{operator:08d}",
            "wechat": f"op_{operator:06d}x",
            "licence": f"91360100MA{operator:07d}X",
            # Half of the names are common ones, half are one operator's.
            "legal_person": rng.choice("张王李刘陈") + chr(0x4E00 + operator) + "娜"
            if operator % 2
            else rng.choice(("张伟", "王芳", "李娜")),
        }
        for _ in range(rng.choice((1, 1, 2, 3, 6))):
            shown = {name: value for name, value in own.items() if rng.random() < 0.6}
            if rng.random() < 0.25:
                shown["phone"] = rng.choice(agents)
            if "phone" in shown and rng.random() < 0.5:
                shown["phone"] = f"+86 {shown['phone'][:3]}-{shown['phone'][3:]}"
            shops.append(shown)
    return shops[:count]
