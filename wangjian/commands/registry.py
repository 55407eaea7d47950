"""主体档案 shops and subjects: keys of personal values"""

from pathlib import Path
from typing import Annotated

import typer

from wangjian.commands._running import run
from wangjian.commands._searching import search

app = typer.Typer(add_completion=False, no_args_is_help=True, help="主体档案 the registry, on this machine")

app.command()(search)

# Each command imports what it needs itself: `--help` and the quick ones stay quick.


@app.callback()
def registry() -> None:
    """主体档案。The registry."""


@app.command()
def rekey(
    data: Annotated[
        bool, typer.Option("--data", help="另换数据密钥并重新加密全部个人信息 a new data key; seals all anew")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="只完成上次中断的换钥 finish an interrupted change, begin none")
    ] = False,
) -> None:
    """更换个人信息的主密钥；--data 时全部重新加密，可续做。New keys for personal values; resumable."""
    from services.common.database import Database
    from services.registry.rekey.service import reseal, rewrap
    from wangjian.commands._platform import Meter
    from wangjian.commands._settings import load

    settings, meter = load(), Meter()

    def show(what: str, done: int, of: int) -> None:
        meter.show(f"等待各进程 waiting {of} s" if what == "wait" else f"{what} {done}/{of}")

    async def work() -> None:
        database = Database(settings.database_url("registry"), "registry")
        try:
            if data or resume:
                result = await reseal(database, settings.imports_dir, show, fresh=not resume)
                meter.clear()
                typer.echo(
                    f"重新加密 sealed anew: {result.rows}；文件 files {result.files}；"
                    f"数据密钥 data key {result.current}；"
                    f"无法打开 unreadable: {result.unreadable}；"
                    f"已销毁 destroyed {result.destroyed or '—'}；待销毁 to be destroyed {result.kept or '—'}"
                )
            if not resume:
                typer.echo(f"主密钥已更换，数据密钥 keys wrapped anew: {await rewrap(database)}")
        finally:
            await database.close()

    run(work())


@app.command()
def link(
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="全部重新评判与归组 judge and group everything anew")
    ] = False,
    export: Annotated[
        Path | None, typer.Option(help="导出关联(CSV:shop_a,shop_b,reasons) write the links")
    ] = None,
) -> None:
    """关联网店：哪些网店属于同一经营者。Link shops; without --rebuild only what waits is followed."""
    from wangjian.commands._linking import link as work

    run(work(rebuild, export))


@app.command()
def clusters(
    export: Annotated[Path, typer.Option(help="导出群组(CSV:shop,cluster) write the clusters")],
    source: Annotated[str | None, typer.Option(help="仅此来源 only shops of this source")] = None,
) -> None:
    """导出网店群组；shop 为导入文件中的编号。Write the cluster of each shop; shop: its id in the file."""
    from wangjian.commands._linking import clusters as work

    run(work(source, export))


@app.command("import")
def import_shops(
    file: Annotated[Path, typer.Argument(help="CSV 或 Excel 名录 a list of shops")],
    source: Annotated[
        str, typer.Option(help="来源名称，同一来源再次导入即更新 the list's name; again: updates")
    ] = "manual-csv",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只试运行 say what would happen")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="以 JSON 输出 print the result as JSON")] = False,
) -> None:
    """导入名录(CSV、Excel)。Import a list. 退出码 exit: 0 全部 all, 1 部分 some rows, 2 未导入 none."""
    from wangjian.commands._importing import import_list
    from wangjian.commands._settings import load

    raise typer.Exit(import_list(load(), file, source, dry_run=dry_run, as_json=as_json))
