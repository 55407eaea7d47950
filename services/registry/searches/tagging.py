"""Use case: a tag on all that a list finds, in steps that stand on their own."""

from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.common.identity import Claims
from services.common.personal import PersonalData
from services.registry.presences.listing import narrowing
from services.registry.presences.models import Presence
from services.registry.search import service as search
from services.registry.searches.schemas import TagFoundIn, TagShopsFound, TagStep
from services.registry.subjects.models import Subject
from services.registry.tags import service as tags
from services.registry.tags.schemas import TagRowsIn

STEP: Final = 1_000


async def tag_found(
    session: AsyncSession, personal: PersonalData, claims: Claims, given: TagFoundIn
) -> TagStep:
    """Put the tag on the next 1,000 rows of a list, or take it off; the caller asks until no cursor is left.

    Broken off it leaves whole steps done, and asked anew it changes only what is missing. Raises Problem 404
    and 409 as `tags.service.set_rows`, 422 `paging.cursor_invalid`.
    """
    query = given.query.model_copy(update={"limit": STEP})
    if isinstance(given, TagShopsFound):
        found = await search.page(session, personal, claims, Presence, query, narrowing(given.query))
    else:
        found = await search.page(session, personal, claims, Subject, query)
    ids = [row.id for row in found.rows]
    if not ids:
        return TagStep(rows=0, changed=0, next_cursor=None)
    kind = "presence" if isinstance(given, TagShopsFound) else "subject"
    rows = TagRowsIn(object_type=kind, ids=ids, action=given.action, preview=given.preview)
    done = await tags.set_rows(session, claims, given.tag_id, rows)
    return TagStep(rows=len(ids), changed=done.changed, next_cursor=found.next_cursor)
