"""Searches on the wire: the one box, and saved searches."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from services.common.wire import Instant, SearchText
from services.registry.presences.schemas import PresenceQuery, PresenceRow
from services.registry.schemas import RegionCode
from services.registry.subjects.schemas import SubjectQuery, SubjectRow

SearchName = Annotated[
    str, StringConstraints(strip_whitespace=True, pattern=r"^[^\s\x00-\x1f][^\x00-\x1f]{0,59}$")
]
FilterName = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,30}$")]
FilterValue = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00]+$")]


class Target(StrEnum):
    """The list a saved search belongs to."""

    SUBJECTS = "subjects"
    PRESENCES = "presences"


class AnyIn(BaseModel):
    """What is typed into the one search box. In a body, since it may be somebody's telephone number."""

    q: Annotated[SearchText, Field(min_length=1)]
    region: RegionCode | None = None
    limit: int = Field(10, ge=1, le=50)


class AnyOut(BaseModel):
    """The newest subjects and shops that hold it; `more`: there are more than are shown."""

    subjects: list[SubjectRow]
    subjects_more: bool
    presences: list[PresenceRow]
    presences_more: bool


class SearchIn(BaseModel):
    """A search to keep: the words and the list's filters as the list takes them."""

    target: Target
    name: SearchName
    shared: bool = Field(False, description="本单位共用 · for the caller's whole authority")
    q: SearchText | None = None
    filters: dict[FilterName, FilterValue] = Field(default_factory=dict, max_length=20)


class SearchPatch(BaseModel):
    """What is to be changed of a saved search."""

    name: SearchName | None = None
    shared: bool | None = None


class SearchOut(BaseModel):
    """One saved search; `own`: the caller may change it."""

    id: str
    target: str
    name: str
    shared: bool
    own: bool
    q: str | None
    filters: dict[str, str]
    created_by_name: str
    created_at: Instant


class SearchList(BaseModel):
    """The caller's own searches and those his authority shares, by name."""

    items: list[SearchOut]


class _TagFound(BaseModel):
    tag_id: int = Field(ge=1, le=2**31 - 1)
    action: Literal["put", "take_off"] = "put"
    preview: bool = False


class TagShopsFound(_TagFound):
    """A tag for all shops a list finds; the query's cursor says where to go on, its limit does not count."""

    target: Literal[Target.PRESENCES]
    query: PresenceQuery


class TagSubjectsFound(_TagFound):
    """A tag for all subjects a list finds."""

    target: Literal[Target.SUBJECTS]
    query: SubjectQuery


TagFoundIn = Annotated[TagShopsFound | TagSubjectsFound, Field(discriminator="target")]


class TagStep(BaseModel):
    """One step of at most 1,000 rows: how many were seen, how many changed (or would), where to go on."""

    rows: int
    changed: int
    next_cursor: str | None
