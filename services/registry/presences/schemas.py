"""Presences on the wire."""

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, Field

from services.common.wire import Id, Instant, Text
from services.registry.identifiers.naming import ValueId
from services.registry.inspections.schemas import InspectionOut
from services.registry.permits.schemas import PermitOut
from services.registry.presences.rules import Channel, Exemption, Ownership
from services.registry.schemas import FindingOut, RegionCode
from services.registry.search.schemas import SearchQuery, Word
from services.registry.tags.schemas import TagRef

Cell = Annotated[Text, Field(max_length=200)]
Long = Annotated[Text, Field(max_length=1000)]
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
    return_address: Long | None = None
    legal_person: Cell | None = None
    payment: Cell | None = None
    police_no: Cell | None = None
    path_description: Long | None = None
    ownership: Ownership | None = None
    exemption: Exemption | None = None
    over_100k: bool | None = None
    categories: list[Cell] = Field(default_factory=list, max_length=50)
    label_no: Annotated[Text, Field(max_length=60)] | None = None
    region_code: RegionCode | None = Field(
        None, description="默认为本单位区划 · the caller's region unless given"
    )


class PresencePatch(BaseModel):
    """What is to be changed of a presence: what is not given stays, null takes a value away.

    `seen_at`: the `updated_at` the editor saw; the change is refused when somebody was faster.
    """

    name: Annotated[Text, Field(max_length=500)] = ""
    channel: Channel = Channel.OTHER
    subject_id: Id | None = None
    platform: Annotated[Text, Field(max_length=100)] | None = None
    native_id: Annotated[Text, Field(max_length=128)] | None = None
    url: WebAddress | None = None
    path_description: Long | None = None
    licence: Cell | None = None
    icp: Cell | None = None
    police_no: Cell | None = None
    phone: Cell | None = None
    qq: Cell | None = None
    wechat: Cell | None = None
    address: Long | None = None
    return_address: Long | None = None
    legal_person: Cell | None = None
    payment: Cell | None = None
    ownership: Ownership | None = None
    exemption: Exemption | None = None
    over_100k: bool | None = None
    categories: list[Cell] = Field(default_factory=list, max_length=50)
    label_no: Annotated[Text, Field(max_length=60)] | None = None
    seen_at: AwareDatetime | None = None
    reason: Cell | None = Field(None, description="变更依据 · why; goes into the audit record")


class IdentifierOut(BaseModel):
    """One value a presence shows or showed; personal ones are masked."""

    kind: int
    kind_zh: str
    kind_en: str
    value: str
    source: str
    first_seen: Instant
    last_seen: Instant
    ended_at: Instant | None


class PresenceQuery(SearchQuery):
    """Filters of the list of presences.

    label: whether it has an e-label; claim: state of its claim; value: name of a value it shows.
    """

    channel: Channel | None = None
    platform: Word | None = None
    label: bool | None = None
    claim: Annotated[str, Field(pattern=r"^[a-z_]{1,20}$")] | None = None
    subject_id: Id | None = None
    value: ValueId | None = None


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
    status: str
    risk: int
    tag_ids: list[int]
    claim_state: str
    label_no: str | None
    last_inspected_at: Instant | None
    warning_count: int
    created_at: Instant
    updated_at: Instant


class PresenceOut(PresenceRow):
    """One presence in full; personal values masked, as everywhere but in the answer of a reveal."""

    return_address: str | None
    legal_person: str | None
    id_card: str | None
    payment: str | None
    no: int
    status: str
    status_zh: str
    status_en: str
    police_no: str | None
    path_description: str | None
    ownership: str | None
    exemption: str | None
    exemption_zh: str | None
    exemption_en: str | None
    over_100k: bool | None
    categories: list[str]
    label_no: str | None
    risk: int
    alive: bool | None
    http_state: str | None
    last_checked_at: Instant | None
    last_inspected_at: Instant | None
    authority_code: str | None
    claim_state: str
    import_id: str | None
    merged_into: str | None
    first_seen: Instant
    last_seen: Instant
    subject_name: str | None
    tags: list[TagRef]
    permits: list[PermitOut]
    inspections: list[InspectionOut]
    identifiers: list[IdentifierOut]
    domain: str | None
    warnings: list[FindingOut]
