"""Custody as the screens see it."""

from typing import Literal

from pydantic import BaseModel, Field

Verdict = Literal["intact", "waiting", "gap", "altered"]


class FaultOut(BaseModel):
    """What is wrong with a record, in words."""

    code: str
    zh: str
    en: str


class ActorOut(BaseModel):
    """Who did it."""

    sub: str
    name: str
    org: str
    org_name: str


class CustodyEventOut(BaseModel):
    """One event as its record says it, and whether the record agrees with its neighbours and the log."""

    seq: int
    event: str
    zh: str
    en: str
    actor: ActorOut
    via: str = Field(description="the service that told of it; empty when the person came to us directly")
    org: str
    at: str
    reason: str
    about: dict[str, str]
    client_ip: str
    log_index: int | None = Field(description="its leaf in the transparency log")
    link: Literal["ok", "gap", "altered"] = Field(description="does it continue the record before it")
    leaf: Literal["logged", "waiting", "differs", "missing"]
    verdict: Verdict
    faults: list[FaultOut]
    missing_before: int = Field(description="how many records are missing between this and the one before")


class ChainOut(BaseModel):
    """The chain as a whole."""

    verdict: Verdict
    expected: int = Field(description="how many records there must be")
    missing: list[int] = Field(description="numbers without a record (the first hundred)")
    altered: list[int]
    waiting: list[int]


class CustodyOut(BaseModel):
    """An item's chain of custody."""

    events: list[CustodyEventOut]
    chain: ChainOut


class PrintIn(BaseModel):
    """Why it is printed."""

    reason: str = Field(max_length=500)


class PrintOut(BaseModel):
    """The record of a print, and the chain up to and with it."""

    seq: int
    at: str
    by: ActorOut
    reason: str
    custody: CustodyOut
