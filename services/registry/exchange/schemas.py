"""The exchange of links on the wire."""

from typing import Annotated, Any

from pydantic import BaseModel, Field

from services.common.wire import Id, Instant, Text
from services.registry.exchange.rules import DAYS, ComparisonState, ExchangeState, RequestState

Purpose = Annotated[Text, Field(max_length=500)]
Fingerprint = Annotated[str, Field(max_length=100, description="电话核对的密钥指纹 · compared by telephone")]


class ExchangeIn(BaseModel):
    """A new exchange to offer."""

    peer_name: Annotated[Text, Field(max_length=100)]
    purpose: Purpose
    days: int = Field(DAYS, ge=1, le=365)


class OfferIn(BaseModel):
    """An offer of another region, and its key's fingerprint as its officer read it out."""

    envelope: dict[str, Any]
    fingerprint: Fingerprint
    purpose: Purpose


class MessageIn(BaseModel):
    """A message of the other region; its fingerprint with the first one."""

    envelope: dict[str, Any]
    fingerprint: Fingerprint | None = None


class PartIn(BaseModel):
    """Which part of the hashes to make: from where the part before ended."""

    after: int = Field(0, ge=0, lt=1 << 63)


class RequestIn(BaseModel):
    """Matches whose plain values are needed, and for what."""

    matches: Annotated[list[int], Field(min_length=1, max_length=1_000)]
    purpose: Purpose


class AnswerIn(BaseModel):
    """Whether a request is granted, and why (not)."""

    grant: bool
    reason: Purpose


class AnswerLookIn(BaseModel):
    """For what the plain answer is looked at."""

    purpose: Purpose


class ExchangeOut(BaseModel):
    """An exchange as our side has it."""

    id: str
    side: str
    state: ExchangeState
    zh: str
    en: str
    purpose: str
    peer_name: str
    peer_region: str | None
    peer_fingerprint: str | None
    own_fingerprint: str
    org_code: str
    created_at: Instant
    expires_at: Instant
    expired: bool


class ComparisonOut(BaseModel):
    """How far hashes that came in are compared: `done` of the region's `shops`."""

    state: ComparisonState
    zh: str
    en: str
    done: int
    shops: int


class MessageOut(BaseModel):
    """One message on record."""

    id: str
    direction: str
    type: str
    digest: str
    at: Instant
    has_envelope: bool
    receipted: bool
    comparison: ComparisonOut | None


class RequestOut(BaseModel):
    """A request for plain values."""

    id: Id
    direction: str
    state: RequestState
    zh: str
    en: str
    purpose: str
    count: int
    asked_by: str
    asked_at: Instant
    answered_at: Instant | None
    reason: str


class ExchangeDetail(BaseModel):
    """An exchange with its messages and requests."""

    exchange: ExchangeOut
    messages: list[MessageOut]
    requests: list[RequestOut]
    match_count: int


class MatchOut(BaseModel):
    """A shop of ours that shares a value with a shop of theirs."""

    id: int
    kind: int
    kind_zh: str
    kind_en: str
    shop_id: str
    shop_name: str
    ref: str
    at: Instant


class SentOut(BaseModel):
    """An envelope to hand to the other region."""

    exchange_id: str
    type: str
    digest: str
    envelope: dict[str, Any]
    rows: int = 0
    next_after: int | None = Field(None, description="for the next part; none when all is in")


class TakenOut(BaseModel):
    """What came of a message, and the signed receipt to hand back; the same message, the same receipt."""

    exchange_id: str
    type: str
    again: bool
    receipt: dict[str, Any] | None


class AnswerShop(BaseModel):
    """A shop of the other region as its owner told us."""

    ref: str
    name: str
    platform: str | None
    url: str | None
    values: list[dict[str, Any]]


class RevealedOut(BaseModel):
    """The plain answer to a request of ours."""

    request_id: str
    shops: list[AnswerShop]
