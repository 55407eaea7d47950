"""The log as static files (c2sp.org/tlog-tiles), open to anyone who monitors it; and its keeping."""

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import FileResponse, StreamingResponse
from starlette.responses import Response

from services.common import audit
from services.common.identity import Claims, public, require
from services.common.problems import not_found
from services.evidence.log.freezing import freeze
from services.evidence.log.fsck import Finding, check
from services.evidence.log.publishing import shard_folder
from services.evidence.log.schemas import FreezeIn, ShardOut
from services.evidence.log.tiles import is_tile_path
from services.evidence.runtime import EvidenceRuntime, Runtime

router = APIRouter(
    tags=["存证日志 log"], dependencies=[Depends(public("a transparency log is for everyone"))]
)
keeping = APIRouter(tags=["存证日志维护 keeping the log"])


def _checkpoint(runtime: Runtime, number: int) -> Response:
    file = shard_folder(runtime.log.root, number) / "checkpoint"
    if not file.is_file():
        raise not_found("检查点", "checkpoint")
    return FileResponse(file, media_type="text/plain; charset=utf-8", headers={"cache-control": "no-cache"})


def _tile(runtime: Runtime, number: int, path: str) -> Response:
    file = shard_folder(runtime.log.root, number) / "tile" / path
    if not is_tile_path(path) or not file.is_file():
        raise not_found("日志分块", "tile")
    return FileResponse(
        file,
        media_type="application/octet-stream",
        headers={"cache-control": "public, max-age=31536000, immutable"},
    )


@router.get("/log")
async def get_logs(runtime: EvidenceRuntime) -> list[ShardOut]:
    """各存证日志 · every log of this installation; the last one is written to."""
    log = runtime.log
    return [
        ShardOut(
            number=item.number,
            origin=item.origin,
            vkey=item.public.vkey,
            state=item.state,
            size=log.size if item is log.shard else None,
        )
        for item in log.shards
    ]


@router.get("/log/checkpoint", response_class=FileResponse)
async def get_checkpoint(runtime: EvidenceRuntime) -> Response:
    """最新检查点 · the newest published checkpoint of the first log."""
    return _checkpoint(runtime, 0)


@router.get("/log/tile/{path:path}", response_class=FileResponse)
async def get_tile(path: str, runtime: EvidenceRuntime) -> Response:
    """日志分块 · a hash tile or entry bundle of the first log."""
    return _tile(runtime, 0, path)


@router.get("/log/shard/{number}/checkpoint", response_class=FileResponse)
async def get_shard_checkpoint(number: int, runtime: EvidenceRuntime) -> Response:
    """后续日志的检查点 · the newest published checkpoint of a later log."""
    return _checkpoint(runtime, number)


@router.get("/log/shard/{number}/tile/{path:path}", response_class=FileResponse)
async def get_shard_tile(number: int, path: str, runtime: EvidenceRuntime) -> Response:
    """后续日志的分块 · a hash tile or entry bundle of a later log."""
    return _tile(runtime, number, path)


@keeping.get("/log-keeping/check", response_class=StreamingResponse)
async def check_log(
    _: Annotated[Claims, Depends(require("integrity:audit"))], runtime: EvidenceRuntime
) -> StreamingResponse:
    """日志自检 · rebuild every log from the database and compare; one JSON line a step."""
    witnesses = [custodian.pinned.witness for custodian in runtime.custodians()]
    await runtime.log.flush()

    async def lines() -> AsyncIterator[bytes]:
        count = 0
        async for step in check(runtime.database, runtime.log.shards, runtime.log.root, witnesses):
            line: dict[str, Any] = {"shard": step.shard}
            if isinstance(step, Finding):
                count += 1
                line |= {"finding": step.code, "where": step.where}
            else:
                line |= {"progress": step.what, "done": step.done, "total": step.total}
            yield json.dumps(line).encode() + b"\n"
        done = {"findings": count, "size": runtime.log.size, "refusal": runtime.log.refusal}
        yield json.dumps({"end": done}, ensure_ascii=False).encode() + b"\n"

    return StreamingResponse(lines(), media_type="application/x-ndjson")


@keeping.post("/log-keeping/freeze")
async def freeze_log(
    given: FreezeIn, claims: Annotated[Claims, Depends(require("log:manage"))], runtime: EvidenceRuntime
) -> dict[str, Any]:
    """封存当前日志并启用新日志 · end the log that is written to and begin the next one."""
    done = await freeze(runtime.log, runtime.custodians(), given.reason, given.next_origin)
    async with runtime.database.transaction() as session:
        await audit.record(
            session,
            claims,
            event="log.frozen",
            object_type="log",
            object_id=done["frozen"]["origin"],
            after={**done["opened"], "reason": given.reason},
        )
    return done
