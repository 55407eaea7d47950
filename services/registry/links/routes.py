"""HTTP of links."""

from typing import Annotated

from fastapi import APIRouter, Depends

from services.common.database import Session
from services.common.identity import Claims, require
from services.common.wire import Id
from services.registry.guards import Personal, Reader
from services.registry.links import explaining, service, together
from services.registry.links.schemas import ClusterOut, Explanation, LinkPage, PathOut
from services.registry.personal.schemas import RevealIn

router = APIRouter(tags=["关联 links"])


@router.get("/links/{shop_id}")
async def get_links(shop_id: Id, session: Session, personal: Personal, claims: Reader) -> LinkPage:
    """网店关联 · the values of a shop as facts, the shops linked to it and why, the links there were."""
    return await service.page(session, personal, claims, shop_id)


@router.get("/links/{shop_id}/cluster")
async def get_cluster(shop_id: Id, session: Session, claims: Reader) -> ClusterOut:
    """网店群组 · the cluster of a shop as a graph."""
    return await together.cluster(session, claims, shop_id)


@router.get("/links/{shop_id}/to/{other_id}")
async def get_explanation(
    shop_id: Id, other_id: Id, session: Session, personal: Personal, claims: Reader
) -> Explanation:
    """关联理由 · every value two shops share, raw forms masked, and what an officer judged."""
    return await explaining.explain(session, personal, claims, shop_id, other_id)


@router.post("/links/{shop_id}/to/{other_id}/reveal")
async def post_reveal(
    shop_id: Id,
    other_id: Id,
    given: RevealIn,
    session: Session,
    personal: Personal,
    claims: Annotated[Claims, Depends(require("registry:read", "registry:reveal"))],
) -> Explanation:
    """查看原文 · the same with the raw forms in full; recorded with its purpose."""
    return await explaining.reveal(session, personal, claims, shop_id, other_id, given)


@router.get("/links/{shop_id}/path/{other_id}")
async def get_path(shop_id: Id, other_id: Id, session: Session, claims: Reader) -> PathOut:
    """为何同组 · the strongest chain between two shops of a cluster, and the edge it hangs on."""
    return await together.why(session, claims, shop_id, other_id)
