"""Renewal as the screens see it."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field


class RenewalOut(BaseModel):
    """An item's evidence record (RFC 4998): since when the proof of time is renewed, until when."""

    model_config = ConfigDict(from_attributes=True)

    first_at: datetime = Field(description="time of the record's first archive time stamp")
    renewed_at: datetime
    valid_until: datetime = Field(description="when the certificate of the newest archive time stamp ends")
    stamps: int = Field(description="archive time stamps in the record")
    algorithm: str = Field(description="digest of the newest chain")
