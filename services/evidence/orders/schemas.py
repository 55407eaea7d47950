"""Orders as they cross the wire."""

from datetime import datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class Person(BaseModel):
    """Who ordered a capture."""

    model_config = ConfigDict(extra="forbid")

    sub: str = Field(min_length=1, max_length=80)
    name: str = Field(max_length=80)
    org: str = Field(max_length=40)


class OrderIn(BaseModel):
    """What is to be captured, for whom and why."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(min_length=1, max_length=4096)
    purpose: str = Field(max_length=2000)
    ordered_by: Person
    org_code: str = Field(min_length=1, max_length=40)
    region_code: str = Field(pattern=r"^\d{6}$")
    ordered_at: AwareDatetime

    @property
    def moment(self) -> datetime:
        """When it was ordered."""
        return self.ordered_at


class OrderLogged(BaseModel):
    """Where the order is in the log, and the checkpoint over it: the capture's beacon."""

    log_index: int
    checkpoint: str
    leaf_hash: str
