"""Use cases of the one search box and of saved searches."""

from typing import Final

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.audit import record
from services.common.clock import utc_now
from services.common.database import Transaction
from services.common.identity import Claims
from services.common.ids import new_id
from services.common.personal import PersonalData, PersonalDataError
from services.common.problems import Problem, not_found
from services.registry.presences.models import Presence
from services.registry.presences.service import row as presence_row
from services.registry.search import service as search
from services.registry.search.schemas import SearchQuery
from services.registry.searches import repository
from services.registry.searches.models import SavedSearch
from services.registry.searches.schemas import AnyIn, AnyOut, SearchIn, SearchList, SearchOut, SearchPatch
from services.registry.subjects.models import Subject
from services.registry.subjects.service import row as subject_row

MOST_KEPT: Final = 200


async def find(session: Transaction, personal: PersonalData, claims: Claims, given: AnyIn) -> AnyOut:
    """The newest subjects and shops the caller may see that hold the words in a name, number or contact."""
    query = SearchQuery(q=given.q, region=given.region, limit=given.limit)
    subjects = await search.page(session, personal, claims, Subject, query)
    presences = await search.page(session, personal, claims, Presence, query)
    return AnyOut(
        subjects=[subject_row(personal, subject) for subject in subjects.rows],
        subjects_more=subjects.next_cursor is not None,
        presences=[presence_row(personal, presence) for presence in presences.rows],
        presences_more=presences.next_cursor is not None,
    )


async def saved(
    session: AsyncSession, personal: PersonalData, claims: Claims, target: str | None
) -> SearchList:
    """The caller's saved searches and those his authority shares."""
    found = await repository.usable(session, claims, target)
    return SearchList(items=[_out(personal, claims, one) for one in found])


async def keep(session: AsyncSession, personal: PersonalData, claims: Claims, given: SearchIn) -> SearchOut:
    """Keep a search. Raises Problem 409 `search.known` for a name in use, 422 `search.too_many`."""
    if await repository.count(session, claims) >= MOST_KEPT:
        raise Problem(
            "search.too_many",
            422,
            zh=f"每人最多保存 {MOST_KEPT} 个常用查询",
            en=f"nobody keeps more than {MOST_KEPT} searches",
            todo_zh="请先删除不用的查询",
            todo_en="delete some that are not used",
        )
    now, search_id = utc_now(), new_id()
    one = SavedSearch(
        id=search_id,
        target=given.target.value,
        name=given.name,
        shared=given.shared,
        filters=given.filters,
        words=personal.seal({"q": given.q}, search_id) if given.q else None,
        org_code=claims.org,
        region_code=claims.region,
        created_by=claims.sub,
        created_by_name=claims.name,
        created_at=now,
        updated_at=now,
    )
    try:
        await repository.add(session, one)
    except IntegrityError as error:
        raise _known() from error
    await _audit(session, claims, "search.kept", one)
    return _out(personal, claims, one)


async def change(
    session: AsyncSession, personal: PersonalData, claims: Claims, search_id: str, given: SearchPatch
) -> SearchOut:
    """Rename or share one's own search. Raises Problem 404, 409 `search.known`."""
    one = await _own(session, claims, search_id)
    one.name, one.shared = given.name or one.name, one.shared if given.shared is None else given.shared
    one.updated_at = utc_now()
    try:
        await session.flush()
    except IntegrityError as error:
        raise _known() from error
    await _audit(session, claims, "search.changed", one)
    return _out(personal, claims, one)


async def drop(session: AsyncSession, claims: Claims, search_id: str) -> None:
    """Delete one's own search. Raises Problem 404."""
    one = await _own(session, claims, search_id)
    await repository.remove(session, one)
    await _audit(session, claims, "search.dropped", one)


async def _own(session: AsyncSession, claims: Claims, search_id: str) -> SavedSearch:
    one = await repository.own(session, claims, search_id)
    if one is None:
        raise not_found("常用查询", "saved search")
    return one


async def _audit(session: AsyncSession, claims: Claims, event: str, one: SavedSearch) -> None:
    after = {"target": one.target, "shared": one.shared}
    await record(session, claims, event=event, object_type="search", object_id=one.id, after=after)


def _out(personal: PersonalData, claims: Claims, one: SavedSearch) -> SearchOut:
    try:
        words = personal.open(one.words, one.id).get("q") if one.words else None
    except PersonalDataError:
        words = None
    return SearchOut(
        id=one.id,
        target=one.target,
        name=one.name,
        shared=one.shared,
        own=one.created_by == claims.sub,
        q=words,
        filters=one.filters,
        created_by_name=one.created_by_name,
        created_at=one.created_at,
    )


def _known() -> Problem:
    return Problem(
        "search.known",
        409,
        zh="您已有同名的常用查询",
        en="you already keep a search of this name",
        todo_zh="请换一个名称",
        todo_en="choose another name",
    )
