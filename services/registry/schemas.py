"""Shapes that several nouns of the registry share on the wire."""

from typing import Annotated

from pydantic import BaseModel, StringConstraints

RegionCode = Annotated[str, StringConstraints(pattern=r"^\d{6}$")]


class FindingOut(BaseModel):
    """One remark about a value: it warns, nothing was changed."""

    field: str
    code: str
    zh: str
    en: str


class RowFinding(FindingOut):
    """A remark about one row of an imported file (record number, header = 1)."""

    row: int
