"""Requests for copies that say less."""

from typing import Annotated

from pydantic import BaseModel, Field


class RedactionIn(BaseModel):
    """Which artefacts to leave out, and why."""

    paths: Annotated[list[Annotated[str, Field(max_length=120)]], Field(min_length=1, max_length=1000)]
    reason: Annotated[str, Field(max_length=500)]
