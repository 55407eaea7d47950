"""Authorities on the wire."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.common.wire import Text
from services.registry.organisations.rules import OrganisationKind
from services.registry.schemas import RegionCode


class Area(BaseModel):
    """A part of a division: a street or township of a county."""

    region_code: RegionCode
    street: Annotated[Text, Field(max_length=60)]


class OrganisationIn(BaseModel):
    """A function zone's bureau or a station to enter; its code becomes `<superior>-<suffix>`."""

    parent_code: Annotated[Text, Field(max_length=30)]
    suffix: Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{1,8}$")]
    name: Annotated[Text, Field(max_length=100)]
    kind: OrganisationKind
    region_code: RegionCode = Field(description="所在县区 · the county it lies in")
    area: list[Area] = Field(default_factory=list, max_length=200)


class OrganisationOut(BaseModel):
    """One authority; `parent_code` is its superior's code."""

    model_config = ConfigDict(from_attributes=True)

    code: str
    name: str
    level: str
    region_code: str
    parent_code: str | None
    kind: str = "bureau"
    area: list[Area] = Field(default_factory=list)
    verified: bool = True


class OrganisationList(BaseModel):
    """Authorities asked for, in code order."""

    items: list[OrganisationOut]
