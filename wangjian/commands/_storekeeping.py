"""What `wangjian evidence sweep` and `wangjian evidence restore` do."""

import asyncio
import getpass
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import typer

from services.common.database import Database
from services.evidence.sweeps.schemas import SweepOut
from wangjian.commands._settings import load

_FOLLOW_SECONDS = 1.0
_KINDS = {
    "missing": "缺失 missing",
    "damaged": "损坏 damaged",
    "covered": "被覆盖 written over",
    "unreferenced": "无归属 unreferenced",
}


@asynccontextmanager
async def _database() -> AsyncIterator[Database]:
    database = Database(load().database_url("evidence"), "evidence", pool_size=2)
    try:
        yield database
    finally:
        await database.close()


async def sweep(*, now: bool, stop: bool, as_json: bool) -> int:
    """Ask for a sweep and follow it, stop it, or show the newest; gives the exit code."""
    from services.evidence.sweeps import service

    async with _database() as database:
        async with database.transaction() as session:
            if now:
                asked: SweepOut | None = await service.request(session, f"local:{getpass.getuser()}")
            else:
                asked = await (service.cancel(session) if stop else service.newest(session))
        if asked is None:
            typer.echo("尚未复核过，可用 --now 立即开始 / no sweep yet: start one with --now")
            return 0
        last = await _followed(database, asked) if now or stop else asked
    typer.echo(last.model_dump_json(indent=2) if as_json else _text(last))
    return 1 if last.verdict == "findings" else 0


async def _followed(database: Database, sweep: SweepOut) -> SweepOut:
    """The sweep once it has ended; its progress goes to standard error. Ctrl-C leaves it running."""
    from services.evidence.sweeps import service

    waited = 0.0
    while sweep.state in ("requested", "running"):
        if sweep.state == "requested" and waited >= 15:
            print("等待证据服务 waiting for the evidence service (wangjian up)", file=sys.stderr)
            waited = 0.0
        print(_progress(sweep), file=sys.stderr)
        await asyncio.sleep(_FOLLOW_SECONDS)
        waited += _FOLLOW_SECONDS
        async with database.transaction() as session:
            newest = await service.newest(session)
        if newest is None or newest.id != sweep.id:
            break
        sweep = newest
    return sweep


def _progress(sweep: SweepOut) -> str:
    done, total = sweep.bytes_done / 1e6, sweep.bytes_total / 1e6
    if sweep.phase == "listing":
        return f"  清点存储 listing the store: {sweep.listed}"
    return f"  复核 reading: {sweep.objects_done} / {sweep.objects_total}, {done:.0f} / {total:.0f} MB"


def _text(sweep: SweepOut) -> str:
    lines = [
        f"{sweep.id}  {sweep.state}  {sweep.finished_at or sweep.started_at or sweep.requested_at}",
        f"已复核 read {sweep.objects_done} / {sweep.objects_total}, {sweep.bytes_done / 1e6:.1f} MB;"
        f" 已清点 listed {sweep.listed}",
    ]
    lines += [f"{_KINDS[kind]}: {count}" for kind, count in sweep.counts.items() if count]
    for one in sweep.findings:
        items = ", ".join(one.evidence_ids)
        lines.append(f"  {_KINDS[one.kind]}  {one.name}  {one.detail}  {items}".rstrip())
    if sweep.last_error:
        lines.append(f"上次中断 last interruption: {sweep.last_error}")
    lines.append(
        {"clean": "全部完好 all good", "findings": "发现异常 NOT all good"}.get(sweep.verdict, sweep.verdict)
    )
    return "\n".join(lines)


async def restore(evidence: str, reason: str, *, as_json: bool) -> int:
    """Put back an item's missing and damaged objects from a custodian's copy; gives the exit code."""
    from services.evidence.custody.rules import Actor
    from services.evidence.restorations import service
    from services.evidence.runtime import open_runtime

    settings = load()
    user = getpass.getuser()
    async with _database() as database:
        runtime = open_runtime(settings, database)
        try:
            actor = Actor(f"local:{user}", user)
            done = await service.restore(runtime, evidence, actor, reason)
        finally:
            await runtime.close()
    if as_json:
        typer.echo(json.dumps(_shown(done), indent=2))
        return 0
    for sha256 in done.objects:
        typer.echo(f"已恢复 restored  {sha256}")
    typer.echo(
        f"{done.evidence_id}: 由 {done.custodian} 恢复 restored {len(done.objects)}，完好 good {done.good}"
    )
    return 0


def _shown(done: Any) -> dict[str, Any]:
    return {
        "evidence_id": done.evidence_id,
        "custodian": done.custodian,
        "restored": list(done.objects),
        "good": done.good,
    }
