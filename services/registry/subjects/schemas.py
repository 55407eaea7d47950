"""Subjects on the wire."""

from datetime import date
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, Field

from services.common.wire import Instant, Text
from services.registry.permits.schemas import PermitOut
from services.registry.regions.schemas import PlaceOut
from services.registry.schemas import FindingOut, RegionCode
from services.registry.search.schemas import SearchQuery
from services.registry.subjects.rules import SubjectKind, SubjectStatus
from services.registry.tags.schemas import TagRef

Cell = Annotated[Text, Field(max_length=200)]
Long = Annotated[Text, Field(max_length=1000)]


class Dated(BaseModel):
    """A value with the days from and to which it held; unknown ones are left out."""

    value: Annotated[Text, Field(max_length=500)]
    since: date | None = None
    until: date | None = None


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
    return_address: Long | None = None
    id_card: Cell | None = Field(None, description="仅未登记的自然人 · of a person without registration only")
    payment: Cell | None = None
    region_code: RegionCode | None = Field(
        None, description="默认为本单位区划 · the caller's region unless given"
    )


class SubjectPatch(BaseModel):
    """What is to be changed of a subject: what is not given stays, null takes a value away.

    `seen_at`: the `updated_at` the editor saw; the change is refused when somebody was faster.
    """

    name: Annotated[Text, Field(max_length=500)] = ""
    kind: SubjectKind = SubjectKind.OTHER
    status: SubjectStatus = SubjectStatus.ACTIVE
    licence: Cell | None = None
    legal_person: Cell | None = None
    phone: Cell | None = None
    qq: Cell | None = None
    wechat: Cell | None = None
    address: Long | None = None
    return_address: Long | None = None
    id_card: Cell | None = None
    payment: Cell | None = None
    former_names: list[Dated] = Field(default_factory=list, max_length=50)
    regno15: list[Dated] = Field(default_factory=list, max_length=20)
    registered_at: date | None = None
    authority_code: Annotated[Text, Field(max_length=40)] | None = None
    scope: Annotated[Text, Field(max_length=4000)] | None = None
    seen_at: AwareDatetime | None = None
    reason: Cell | None = Field(None, description="变更依据 · why; goes into the audit record")


class SubjectQuery(SearchQuery):
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
    status: str
    risk: int
    tag_ids: list[int]
    last_inspected_at: Instant | None
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
    no: int
    status: str
    status_zh: str
    status_en: str
    former_names: list[Dated]
    regno15: list[Dated]
    registered_at: date | None
    authority_code: str | None
    registered_in: PlaceOut | None
    scope: str | None
    verified_at: Instant | None
    risk: int
    tags: list[TagRef]
    permits: list[PermitOut]
    first_seen: Instant
    last_seen: Instant
    last_inspected_at: Instant | None
    merged_into: str | None
    warnings: list[FindingOut]
    presences: list[SubjectPresence]
