"""Orders over HTTP (capture service only)."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from services.common.identity import require_service
from services.evidence.orders.schemas import OrderIn, OrderLogged
from services.evidence.orders.service import log_order
from services.evidence.runtime import EvidenceRuntime

router = APIRouter(include_in_schema=False, dependencies=[Depends(require_service("crawler"))])

EvidenceId = Annotated[str, Path(pattern=r"^[0-9A-HJKMNP-TV-Z]{26}$")]


@router.put("/internal/orders/{order_id}")
async def put_order(order_id: EvidenceId, order: OrderIn, runtime: EvidenceRuntime) -> OrderLogged:
    """Log an order before its capture; repeating it gives the same answer. 503 while the clock is wrong."""
    runtime.require_clock()
    return await log_order(runtime.database, runtime.log, order_id, order)
