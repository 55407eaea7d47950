"""Permits on the wire."""

from datetime import date
from typing import Annotated

from pydantic import BaseModel, Field

from services.common.wire import Instant, Text
from services.registry.permits.rules import PermitKind, VerifyState


class PermitIn(BaseModel):
    """A permit to enter, as it is written on it."""

    kind: PermitKind
    number: Annotated[Text, Field(max_length=100)]
    holder: Annotated[Text, Field(max_length=200)] | None = None
    issued_by: Annotated[Text, Field(max_length=200)] | None = None
    valid_from: date | None = None
    valid_to: date | None = None


class PermitPatch(BaseModel):
    """What is to be changed of a permit; what is not given stays."""

    number: Annotated[Text, Field(max_length=100)] | None = None
    holder: Annotated[Text, Field(max_length=200)] | None = None
    issued_by: Annotated[Text, Field(max_length=200)] | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    verify_state: VerifyState | None = None


class PermitOut(BaseModel):
    """One permit; `lapsed`: its last day is over, whatever the check said."""

    id: str
    subject_id: str | None
    presence_id: str | None
    kind: str
    kind_zh: str
    kind_en: str
    number: str
    holder: str | None
    issued_by: str | None
    valid_from: date | None
    valid_to: date | None
    lapsed: bool
    verify_state: str
    verify_state_zh: str
    verify_state_en: str
    verified_at: Instant | None
    source: str
    created_at: Instant
