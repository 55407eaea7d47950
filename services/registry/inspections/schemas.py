"""Inspections on the wire."""

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, Field

from services.common.wire import Id, Instant, ListQuery, Text
from services.registry.inspections.rules import Result


class InspectionIn(BaseModel):
    """An inspection that was made; without `at` it was made now."""

    result: Result
    at: AwareDatetime | None = None
    note: Annotated[Text, Field(max_length=2000)] | None = None
    evidence_id: Id | None = Field(None, description="固证编号 · the sealed item that shows it")


class InspectionQuery(ListQuery):
    """Filters of the list of inspections."""

    result: Result | None = None


class InspectionOut(BaseModel):
    """One inspection."""

    id: str
    presence_id: str
    presence_name: str | None
    at: Instant
    by_name: str
    org_code: str
    region_code: str
    result: str
    result_zh: str
    result_en: str
    note: str | None
    evidence_id: str | None
