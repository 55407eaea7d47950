"""SQL of orders."""

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.evidence.orders.models import Order
from services.evidence.orders.schemas import OrderIn


async def find(session: AsyncSession, order_id: str) -> Order | None:
    """The order with this id."""
    return await session.get(Order, order_id)


async def add(session: AsyncSession, order_id: str, order: OrderIn, document: bytes) -> bool:
    """Keep an order unless its id is taken; gives whether it was new."""
    query = (
        insert(Order)
        .values(
            id=order_id,
            url=order.url,
            purpose=order.purpose,
            ordered_by=order.ordered_by.model_dump(),
            org_code=order.org_code,
            region_code=order.region_code,
            ordered_at=order.moment,
            document=document,
        )
        .on_conflict_do_nothing(index_elements=["id"])
        .returning(Order.id)
    )
    return (await session.execute(query)).scalar_one_or_none() is not None
