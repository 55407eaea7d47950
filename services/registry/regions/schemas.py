"""Divisions on the wire."""

from pydantic import BaseModel, ConfigDict


class RegionOut(BaseModel):
    """One division of GB/T 2260; level is province, city or county."""

    model_config = ConfigDict(from_attributes=True)

    code: str
    name: str
    level: str
    parent_code: str | None


class RegionList(BaseModel):
    """All divisions asked for, in code order."""

    items: list[RegionOut]
