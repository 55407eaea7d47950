"""证据维护 keep evidence good: audit it, renew its time stamps"""

from collections.abc import Coroutine
from typing import Annotated, Any, TypeVar

import typer

from wangjian.commands._running import run

T = TypeVar("T")
app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def evidence() -> None:
    """证据维护。Keeping evidence good for as long as it is kept."""


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end; settings that cannot be used are one clear line and exit code 2, as a refusal is."""
    try:
        return run(work)
    except (OSError, ValueError, KeyError) as error:
        typer.echo(f"wangjian: 配置不可用 settings cannot be used: {error}", err=True)
    raise typer.Exit(2)


@app.command()
def renew(
    due: Annotated[
        int | None,
        typer.Option(
            "--due", min=0, help="多少天内到期的 those that end within so many days（默认 default 90）"
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只列出 list them, change nothing")] = False,
    leave: Annotated[
        list[str] | None,
        typer.Option("--leave", help="弃用的摘要算法 a digest to leave now, e.g. sha256 (hash-tree renewal)"),
    ] = None,
) -> None:
    """续期时间戳(RFC 4998)。Renew time stamps before their certificates or digests age."""
    from services.evidence.renewals.rules import known_digests

    unknown = set(leave or []) - set(known_digests())
    if unknown:
        names = ", ".join(known_digests())
        typer.echo(f"wangjian: --leave 只能是 must be one of {names}", err=True)
        raise typer.Exit(2)
    failed = _run(_renew(due, leave or [], dry_run=dry_run))
    raise typer.Exit(1 if failed else 0)


async def _renew(due: int | None, leave: list[str], *, dry_run: bool) -> int:
    from services.common.database import Database
    from services.evidence.objects.opening import open_store
    from services.evidence.renewals.service import Renewer
    from services.evidence.settings import EvidenceSettings, evidence_home
    from services.evidence.timestamps.client import open_client
    from wangjian.commands._settings import load

    settings, own = load(), EvidenceSettings()
    days = own.renew_days if due is None else due
    stamps = open_client(settings, own.tsa_trust_file(settings), own.tsa_quorum)
    database = Database(settings.database_url("evidence"), "evidence", pool_size=2)
    store = open_store(own, evidence_home(settings))
    try:
        renewer = Renewer(database, store, stamps, stamps.pinned)
        if dry_run:
            return await _list(renewer, days, leave)
        outcome = await renewer.run(days, leave=leave, progress=_progress)
    finally:
        await stamps.close()
        await database.close()
        store.close()
    for kind, ids in sorted(outcome.renewed.items()):
        typer.echo(f"{_KINDS[kind]}  {len(ids)}")
    for evidence_id, reason in outcome.failed.items():
        typer.echo(f"未续期 not renewed  {evidence_id}  {reason}", err=True)
    typer.echo(f"已续期 renewed {outcome.count}, 未能续期 not possible {len(outcome.failed)}")
    return len(outcome.failed)


_KINDS = {
    "begin": "首次归档时间戳 first archive time stamp",
    "prolong": "时间戳续期 time-stamp renewal      ",
    "rehash": "哈希树续期 hash-tree renewal       ",
}


async def _list(renewer: Any, days: int, leave: list[str]) -> int:
    found = await renewer.due(days, leave=leave)
    for item in found:
        until = item.until.date().isoformat() if item.until else "-"
        typer.echo(f"{item.evidence_no or '-'}  {item.evidence_id}  {until}  {item.algorithm or '-'}")
    typer.echo(f"{days} 天内到期 due within {days} days: {len(found)}")
    return 0


def _progress(done: int, total: int) -> None:
    typer.echo(f"  {done} / {total}", err=True)


@app.command()
def sweep(
    now: Annotated[
        bool, typer.Option("--now", help="立即开始并显示进度 start one now and follow it")
    ] = False,
    stop: Annotated[bool, typer.Option("--stop", help="停止正在进行的复核 stop the one under way")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="报告为 JSON the report as JSON")] = False,
) -> None:
    """复核存储中的全部文件;不带选项显示最近一次。Re-hash every stored object; shows the newest report."""
    from wangjian.commands import _storekeeping

    raise typer.Exit(_run(_storekeeping.sweep(now=now, stop=stop, as_json=as_json)))


@app.command()
def restore(
    evidence: Annotated[str, typer.Argument(help="证据编号或标识 number or id", metavar="ID")],
    reason: Annotated[str, typer.Option("--reason", help="事由,记入保管链 goes on record")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="结果为 JSON the result as JSON")] = False,
) -> None:
    """用第三方副本恢复缺失或损坏的文件。Put back missing or damaged objects from a custodian's copy."""
    from wangjian.commands import _storekeeping

    raise typer.Exit(_run(_storekeeping.restore(evidence, reason, as_json=as_json)))


@app.command()
def audit(
    after: Annotated[
        str, typer.Option(help="从该证据之后继续 go on after this item (an audit that was broken off)")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="机器可读 machine-readable")] = False,
) -> None:
    """核查全部证据:数据库、存储、日志、保管链、编号、回执、第三方副本、时钟。Audit everything that is kept.

    退出码 exit code: 0 一致 in order, 1 有问题 findings, 2 无法核查 cannot tell.
    """
    from wangjian.commands._audit import run

    raise typer.Exit(run(after, as_json=as_json))
