"""Presences on the wire."""

from typing import Annotated

from pydantic import BaseModel, Field

from services.common.wire import Id, Instant, ListQuery, Text
from services.registry.presences.rules import Channel
from services.registry.schemas import FindingOut, RegionCode

WebAddress = Annotated[str, Field(max_length=2000, pattern=r"^https?://[^\s\x00-\x1f]+$")]


class PresenceIn(BaseModel):
    """A shop, site, app or account to enter. Numbers are kept exactly as given."""

    name: Annotated[Text, Field(max_length=500)]
    channel: Channel
    subject_id: Id | None = None
    platform: Annotated[Text, Field(max_length=100)] | None = None
    native_id: Annotated[Text, Field(max_length=128)] | None = None
    url: WebAddress | None = None
    licence: Annotated[Text, Field(max_length=200)] | None = None
    icp: Annotated[Text, Field(max_length=200)] | None = None
    phone: Annotated[Text, Field(max_length=200)] | None = None
    qq: Annotated[Text, Field(max_length=200)] | None = None
    wechat: Annotated[Text, Field(max_length=200)] | None = None
    address: Annotated[Text, Field(max_length=1000)] | None = None
    region_code: RegionCode | None = Field(
        None, description="默认为本单位区划 · the caller's region unless given"
    )


class PresenceQuery(ListQuery):
    """Filters of the list of presences."""

    channel: Channel | None = None
    subject_id: Id | None = None


class PresenceRow(BaseModel):
    """A presence in a list: personal contacts are masked."""

    id: str
    name: str
    channel: str
    channel_zh: str
    channel_en: str
    platform: str | None
    native_id: str | None
    url: str | None
    licence: str | None
    icp: str | None
    phone: str | None
    qq: str | None
    wechat: str | None
    address: str | None
    subject_id: str | None
    source: str
    source_id: str
    org_code: str
    region_code: str
    warning_count: int
    created_at: Instant
    updated_at: Instant


class PresenceOut(PresenceRow):
    """One presence in full; personal values masked, as everywhere but in the answer of a reveal."""

    return_address: str | None
    legal_person: str | None
    id_card: str | None
    payment: str | None
    domain: str | None
    warnings: list[FindingOut]
