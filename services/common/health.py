"""Health that tells the truth: live = the process answers; ready = it can do its work."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse, Response

from services.common.identity import public

# A check gives details for the answer and raises when its capability is gone.
Check = Callable[[], Awaitable[dict[str, Any]]]

router = APIRouter(include_in_schema=False)


@router.get("/health/live", dependencies=[Depends(public("health probe"))])
async def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "live"}


@router.get("/health/ready", dependencies=[Depends(public("health probe"))])
async def ready(request: Request) -> Response:
    """200 when every check passes, 503 with the failing ones named otherwise."""
    checks: dict[str, Check] = request.app.state.checks
    report: dict[str, Any] = {}
    ok = True
    for name, check in checks.items():
        began = time.perf_counter()
        try:
            detail = await check()
            report[name] = {"ok": True, **detail}
        except Exception as error:
            ok = False
            report[name] = {"ok": False, "error": type(error).__name__}
        report[name]["ms"] = round((time.perf_counter() - began) * 1000, 1)
    return JSONResponse(
        {"status": "ready" if ok else "not_ready", "service": request.app.title, "checks": report},
        status_code=200 if ok else 503,
    )


@router.get("/metrics", dependencies=[Depends(public("scraped on the internal port only"))])
async def metrics() -> Response:
    """Prometheus metrics of this process."""
    from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
