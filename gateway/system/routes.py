"""HTTP of the platform's state."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from gateway.system.schemas import SystemState
from gateway.system.service import SystemHealth
from services.common.identity import Claims, require

router = APIRouter(prefix="/api", tags=["系统 system"])


@router.get("/system")
async def system(request: Request, _: Annotated[Claims, Depends(require("system:read"))]) -> SystemState:
    """The state of every part 系统状态: what is down is said to be down."""
    health: SystemHealth = request.app.state.system
    return await health.state()
