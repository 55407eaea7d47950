"""HTTP of hubs."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from services.common.database import Session
from services.common.identity import Claims, require
from services.common.paging import Page
from services.registry.guards import Personal, Reader
from services.registry.hubs import service
from services.registry.hubs.schemas import HubOut, HubQuery, HubRow, RulingIn
from services.registry.identifiers.naming import ValueId

router = APIRouter(tags=["枢纽值 hubs"])


@router.get("/hubs")
async def list_hubs(
    session: Session,
    personal: Personal,
    claims: Reader,
    query: Annotated[HubQuery, Query()],
) -> Page[HubRow]:
    """枢纽值 · values so many unrelated shops hold that they form no links, the largest first."""
    return await service.list_hubs(session, personal, claims, query)


@router.get("/hubs/{value}")
async def get_hub(
    value: ValueId,
    session: Session,
    personal: Personal,
    claims: Reader,
) -> HubOut:
    """号码详情 · one value, hub or not: its raw forms, its shops here, what was decided and why."""
    return await service.get_hub(session, personal, claims, value)


@router.post("/hubs/{value}/rulings", status_code=201)
async def post_ruling(
    value: ValueId,
    given: RulingIn,
    session: Session,
    personal: Personal,
    claims: Annotated[Claims, Depends(require("registry:judge"))],
) -> HubOut:
    """认定 · overrule the test on a value, or take a ruling back."""
    return await service.rule(session, personal, claims, value, given)
