"""HTTP of the platform's OpenAPI document."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from gateway.guards import signed_in
from gateway.openapi.service import build_once
from services.common.identity import Claims

router = APIRouter(prefix="/api", tags=["接口 openapi"], include_in_schema=False)


@router.get("/openapi.json")
async def document(request: Request, _: Annotated[Claims, Depends(signed_in())]) -> dict[str, Any]:
    """The interface of the whole platform 接口文档 (OpenAPI 3.1)."""
    return await asyncio.to_thread(build_once, request.app)
