"""SQL of judgements. Reading for people is scoped: both shops must lie in the caller's region."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from services.common.identity import Claims
from services.common.scope import region_filter
from services.registry.judgements.models import BoundJudgement, Judgement
from services.registry.judgements.rules import BINDING, Pair, Verdict
from services.registry.judgements.schemas import JudgementQuery
from services.registry.presences.models import Presence

_A, _B = aliased(Presence), aliased(Presence)
_SHOP = (Presence.no, Presence.id, Presence.name, Presence.region_code)

# The officers' graph around some shops: along `same`, as far as it goes (their deeds, hence small).
_AROUND = text(
    "WITH RECURSIVE same AS ("
    " SELECT shop_a, shop_b FROM counting_judgements WHERE verdict = 'same'"
    " AND (shop_a = ANY(:nos) OR shop_b = ANY(:nos))"
    " UNION"
    " SELECT j.shop_a, j.shop_b FROM same JOIN counting_judgements j ON j.verdict = 'same'"
    " AND (j.shop_a IN (same.shop_a, same.shop_b) OR j.shop_b IN (same.shop_a, same.shop_b))"
    "), touched AS (SELECT shop_a AS no FROM same UNION SELECT shop_b FROM same)"
    " SELECT shop_a, shop_b, 'same' AS verdict FROM same"
    " UNION ALL SELECT shop_a, shop_b, verdict FROM counting_judgements WHERE verdict = 'different'"
    " AND shop_a IN (SELECT no FROM touched) AND shop_b IN (SELECT no FROM touched)"
)


async def live(session: AsyncSession, nos: Sequence[int] | None = None) -> dict[Pair, str]:
    """What counts now for the linking, by pair of shop numbers: `same` or `different`, nothing else.

    nos: only pairs that touch one of these shops. For the linking itself, hence not scoped.
    """
    counting = BoundJudgement
    statement = select(counting.shop_a, counting.shop_b, counting.verdict).order_by(counting.judgement)
    if nos is not None:
        touched = [int(no) for no in nos]
        statement = statement.where(or_(counting.shop_a.in_(touched), counting.shop_b.in_(touched)))
    found = {(row.shop_a, row.shop_b): row.verdict for row in await session.execute(statement)}
    return {pair: verdict for pair, verdict in found.items() if verdict in BINDING}


async def around(session: AsyncSession, nos: Sequence[int]) -> dict[Pair, str]:
    """The judgements that hang together with these shops along `same`, and the `different` among them."""
    rows = await session.execute(_AROUND, {"nos": [int(no) for no in nos]})
    return {(row.shop_a, row.shop_b): row.verdict for row in rows}


async def current(session: AsyncSession, pair: Pair) -> Judgement | None:
    """The judgement of a pair that counts now, be it of shops that were merged into these."""
    statement = (
        select(Judgement)
        .join(BoundJudgement, BoundJudgement.judgement == Judgement.id)
        .where(BoundJudgement.shop_a == pair[0], BoundJudgement.shop_b == pair[1])
        .order_by(Judgement.id.desc())
        .limit(1)
    )
    return (await session.scalars(statement)).one_or_none()


async def add(session: AsyncSession, judgement: Judgement) -> None:
    """Enter a judgement; the one that counted until now ends and stays on record.

    Two at the same moment: the second finds the pair taken (IntegrityError).
    """
    ended = (
        update(Judgement)
        .where(Judgement.live, Judgement.shop_a == judgement.shop_a, Judgement.shop_b == judgement.shop_b)
        .values(live=False)
        .execution_options(synchronize_session=False)
    )
    await session.execute(ended)
    session.add(judgement)
    await session.flush()


def _both_visible(claims: Claims) -> ColumnElement[bool]:
    return and_(region_filter(_A.region_code, claims), region_filter(_B.region_code, claims))


async def page(session: AsyncSession, claims: Claims, query: JudgementQuery) -> list[Any]:
    """Rows (judgement, shop a, shop b), newest first, one more than the page."""
    statement = (
        select(
            Judgement,
            _A.id.label("a_id"),
            _A.name.label("a_name"),
            _A.region_code.label("a_region"),
            _B.id.label("b_id"),
            _B.name.label("b_name"),
            _B.region_code.label("b_region"),
        )
        .join(_A, _A.no == Judgement.shop_a)
        .join(_B, _B.no == Judgement.shop_b)
        .where(_both_visible(claims))
        .order_by(Judgement.id.desc())
        .limit(query.limit + 1)
    )
    if query.after is not None:
        statement = statement.where(Judgement.id < query.after)
    for shop in filter(None, (query.shop, query.other)):
        statement = statement.where(or_(_A.id == shop, _B.id == shop))
    if query.verdict is not None:
        statement = statement.where(Judgement.verdict == query.verdict.value)
    if not query.all:
        statement = statement.where(Judgement.live, Judgement.verdict != Verdict.WITHDRAWN.value)
    return list((await session.execute(statement)).all())


async def visible_shops(session: AsyncSession, claims: Claims, ids: Sequence[str]) -> dict[str, Any]:
    """Number, id, name and region of those shops the caller may see, by id."""
    statement = select(*_SHOP).where(Presence.id.in_(ids), region_filter(Presence.region_code, claims))
    return {row.id: row for row in await session.execute(statement)}


async def visible_by_no(session: AsyncSession, claims: Claims, nos: Sequence[int]) -> dict[int, Any]:
    """The same by number."""
    statement = select(*_SHOP).where(Presence.no.in_(nos), region_filter(Presence.region_code, claims))
    return {row.no: row for row in await session.execute(statement)}
