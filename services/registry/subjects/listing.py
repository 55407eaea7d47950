"""Use cases of the list of subjects: a page, how its matches are spread."""

from typing import Final

from services.common.database import Transaction
from services.common.identity import Claims
from services.common.paging import Page
from services.common.personal import PersonalData
from services.registry.search import service as search
from services.registry.search.schemas import Facets
from services.registry.subjects.models import Subject
from services.registry.subjects.schemas import SubjectQuery, SubjectRow
from services.registry.subjects.service import row

_FACETS: Final = (("kind", "kind"), ("status", "status"), ("source", "source"))


async def list_subjects(
    session: Transaction, personal: PersonalData, claims: Claims, query: SubjectQuery
) -> Page[SubjectRow]:
    """One page of the subjects the caller may see, newest first, contacts masked."""
    found = await search.page(session, personal, claims, Subject, query)
    items = [row(personal, subject) for subject in found.rows]
    return Page(items=items, next_cursor=found.next_cursor, total=found.total)


async def subject_facets(
    session: Transaction, personal: PersonalData, claims: Claims, query: SubjectQuery
) -> Facets:
    """How the matches of a list are spread, counted to a cap and said so."""
    return await search.facets(session, personal, claims, Subject, query, _FACETS)
