"""The log as static files (c2sp.org/tlog-tiles), open to anyone who monitors it."""

from fastapi import APIRouter, Depends
from fastapi.responses import FileResponse
from starlette.responses import Response

from services.common.identity import public
from services.common.problems import not_found
from services.evidence.log.tiles import is_tile_path
from services.evidence.runtime import EvidenceRuntime

router = APIRouter(
    tags=["存证日志 log"], dependencies=[Depends(public("a transparency log is for everyone"))]
)


@router.get("/log/checkpoint", response_class=FileResponse)
async def get_checkpoint(runtime: EvidenceRuntime) -> Response:
    """最新检查点 · the newest published checkpoint."""
    file = runtime.log.folder / "checkpoint"
    if not file.is_file():
        raise not_found("检查点", "checkpoint")
    return FileResponse(file, media_type="text/plain; charset=utf-8", headers={"cache-control": "no-cache"})


@router.get("/log/tile/{path:path}", response_class=FileResponse)
async def get_tile(path: str, runtime: EvidenceRuntime) -> Response:
    """日志分块 · a hash tile or entry bundle."""
    file = runtime.log.folder / "tile" / path
    if not is_tile_path(path) or not file.is_file():
        raise not_found("日志分块", "tile")
    return FileResponse(
        file,
        media_type="application/octet-stream",
        headers={"cache-control": "public, max-age=31536000, immutable"},
    )
