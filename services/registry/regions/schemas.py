"""Divisions on the wire."""

from datetime import date

from pydantic import BaseModel, ConfigDict


class RegionOut(BaseModel):
    """One division of GB/T 2260; level is province, city or county."""

    model_config = ConfigDict(from_attributes=True)

    code: str
    name: str
    level: str
    parent_code: str | None


class AliasOut(BaseModel):
    """A retired code or name; `successor`: the division that followed; `verified`: checked by a person."""

    model_config = ConfigDict(from_attributes=True)

    code: str
    name: str
    valid_from: date | None
    valid_to: date | None
    successor: str
    successor_name: str
    source: str
    verified: bool


class AliasList(BaseModel):
    """All retired codes and names, in code order."""

    items: list[AliasOut]


class PlaceOut(BaseModel):
    """A division code found in a number: its name then, and today's division where it was retired."""

    code: str
    name: str | None
    retired: bool
    successor: str | None
    successor_name: str | None
    verified: bool


class RegionList(BaseModel):
    """All divisions asked for, in code order."""

    items: list[RegionOut]
