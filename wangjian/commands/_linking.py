"""What `wangjian registry link` and `clusters` do, on the running platform's database."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import typer

from services.common.database import Database
from services.registry.linking.bulk.exporting import export_clusters, export_links
from services.registry.linking.service import Progress, catch_up, rebuild
from wangjian.commands._platform import Meter
from wangjian.commands._settings import load

_STAGES = {
    "read": "读取 reading",
    "judge": "评判 judging values",
    "group": "归组 grouping shops",
    "write": "写入 writing",
}


async def link(anew: bool, export: Path | None) -> None:
    """Judge and group everything anew, or follow what nobody followed yet; then write the links."""
    await _with(lambda database: _link(database, anew, export))


async def _link(database: Database, anew: bool, export: Path | None) -> None:
    if anew:
        meter = Meter()

        def tell(progress: Progress) -> None:
            meter.show(f"{_STAGES[progress.stage]} {progress.share:.0%}")

        found = await rebuild(database, tell)
        meter.clear()
        typer.echo(
            f"共同值 shared values {found.values}（枢纽 hubs {found.hubs}，切断 cut {found.bridges}）；"
            f"群组 clusters {found.clusters}，含网店 shops {found.clustered}，最大 largest {found.largest}"
        )
    else:
        typer.echo(f"已跟进变更 shops followed: {await catch_up(database)}")
    if export is not None:
        typer.echo(f"{export}: 关联 links {await export_links(database, export)}")


async def clusters(source: str | None, export: Path) -> None:
    """Write the cluster of every shop."""

    async def work(database: Database) -> None:
        shops, many = await export_clusters(database, export, source)
        typer.echo(f"{export}: 网店 shops {shops}，群组 clusters {many}")

    await _with(work)


async def _with(work: Callable[[Database], Awaitable[Any]]) -> None:
    database = Database(load().database_url("registry"), "registry")
    try:
        await work(database)
    except OSError as error:
        typer.echo(f"wangjian: 无法写入 cannot write: {error}", err=True)
        raise typer.Exit(2) from error
    finally:
        await database.close()
