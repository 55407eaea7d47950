"""Authorities on the wire."""

from pydantic import BaseModel, ConfigDict


class OrganisationOut(BaseModel):
    """One authority; `parent_code` is its superior's code."""

    model_config = ConfigDict(from_attributes=True)

    code: str
    name: str
    level: str
    region_code: str
    parent_code: str | None


class OrganisationList(BaseModel):
    """Authorities asked for, in code order."""

    items: list[OrganisationOut]
