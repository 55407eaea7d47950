"""Subjects on the wire."""

from typing import Annotated

from pydantic import BaseModel, Field

from services.common.wire import Instant, ListQuery, Text
from services.registry.schemas import FindingOut, RegionCode
from services.registry.subjects.rules import SubjectKind


class SubjectIn(BaseModel):
    """A subject to enter. Numbers are kept exactly as given; remarks come back in `warnings`."""

    name: Annotated[Text, Field(max_length=500)]
    kind: SubjectKind | None = Field(
        None, description="由统一社会信用代码推断，可指定 · told by the USCC unless given"
    )
    licence: Annotated[Text, Field(max_length=200)] | None = None
    legal_person: Annotated[Text, Field(max_length=200)] | None = None
    phone: Annotated[Text, Field(max_length=200)] | None = None
    qq: Annotated[Text, Field(max_length=200)] | None = None
    wechat: Annotated[Text, Field(max_length=200)] | None = None
    address: Annotated[Text, Field(max_length=1000)] | None = None
    region_code: RegionCode | None = Field(
        None, description="默认为本单位区划 · the caller's region unless given"
    )


class SubjectQuery(ListQuery):
    """Filters of the list of subjects."""

    kind: SubjectKind | None = None


class SubjectRow(BaseModel):
    """A subject in a list: personal contacts are masked."""

    id: str
    name: str
    kind: str
    kind_zh: str
    kind_en: str
    licence: str | None
    licence_kind: str | None
    phone: str | None
    qq: str | None
    wechat: str | None
    address: str | None
    source: str
    org_code: str
    region_code: str
    warning_count: int
    created_at: Instant
    updated_at: Instant


class SubjectPresence(BaseModel):
    """A presence of a subject, on the subject's page."""

    id: str
    name: str
    channel: str
    channel_zh: str
    channel_en: str
    platform: str | None
    url: str | None


class SubjectOut(SubjectRow):
    """One subject in full; personal values masked, as everywhere but in the answer of a reveal."""

    legal_person: str | None
    return_address: str | None
    id_card: str | None
    payment: str | None
    warnings: list[FindingOut]
    presences: list[SubjectPresence]
