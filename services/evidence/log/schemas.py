"""What crosses the wire about the log."""

from pydantic import BaseModel, ConfigDict, Field


class FreezeIn(BaseModel):
    """Ending the shard that is written to."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=1, max_length=500)
    next_origin: str | None = Field(default=None, min_length=3, max_length=200, pattern=r"^[^\s+]+$")


class ShardOut(BaseModel):
    """One log of the row."""

    number: int
    origin: str
    vkey: str
    state: str
    size: int | None
