"""Tags on the wire."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from services.common.wire import Id, Instant, Text

TagName = Annotated[
    str, StringConstraints(strip_whitespace=True, pattern=r"^[^\s\x00-\x1f][^\x00-\x1f]{0,39}$")
]


class Tone(StrEnum):
    """How strongly a tag stands out."""

    INFO = "info"
    PRIMARY = "primary"
    SUCCESS = "success"
    WARNING = "warning"
    DANGER = "danger"


class TagIn(BaseModel):
    """A tag to define, for the caller's authority and those below it."""

    name: TagName
    tone: Tone = Tone.INFO
    description: Annotated[Text, Field(max_length=500)] | None = None


class TagPatch(BaseModel):
    """What is to be changed of a tag; a retired one stays where it is and is put on no more."""

    name: TagName | None = None
    tone: Tone | None = None
    description: Annotated[Text, Field(max_length=500)] | None = None
    retired: bool | None = None


class TagRef(BaseModel):
    """A tag on a record."""

    id: int
    name: str
    tone: str


class TagOut(TagRef):
    """One tag; `own`: the caller's authority may change it."""

    description: str | None
    org_code: str
    region_code: str
    own: bool
    retired_at: Instant | None
    created_at: Instant


class TagList(BaseModel):
    """The tags an authority may use, in order of their names."""

    items: list[TagOut]


class TagRowsIn(BaseModel):
    """Records on which a tag is to be put, or from which it is to be taken; a preview changes nothing."""

    object_type: Literal["subject", "presence"]
    ids: list[Id] = Field(min_length=1, max_length=1000)
    action: Literal["put", "take_off"] = "put"
    preview: bool = False


class TagRowsOut(BaseModel):
    """How many of the given records are visible, and how many change (or would)."""

    given: int
    visible: int
    changed: int
    preview: bool
