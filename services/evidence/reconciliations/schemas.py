"""What crosses the wire about reconciling the log."""

from pydantic import BaseModel, ConfigDict, Field


class ReconcileIn(BaseModel):
    """Putting the log in order; accept_loss: close it and begin a new one where leaves are lost for good."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=1, max_length=500)
    accept_loss: bool = False
