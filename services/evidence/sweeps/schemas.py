"""Sweeps as screens and commands see them."""

from pydantic import BaseModel, Field


class FindingOut(BaseModel):
    """Something that is not as it must be."""

    name: str = Field(description="SHA-256 of the object, or the name found in the store")
    kind: str = Field(description="missing, damaged, covered, unreferenced")
    detail: str
    evidence_ids: list[str]


class SweepOut(BaseModel):
    """A sweep: how far it is, and its report."""

    id: str
    state: str
    verdict: str = Field(description="clean, findings; while it is not done, its state")
    requested_by: str
    requested_at: str
    started_at: str | None
    finished_at: str | None
    phase: str
    objects_done: int
    objects_total: int
    bytes_done: int
    bytes_total: int
    listed: int
    counts: dict[str, int]
    findings: list[FindingOut] = Field(description="the first thousand")
    last_error: str | None


class StoreOut(BaseModel):
    """The store: which, what its probe found, how much room, the newest sweep."""

    store: str
    worm: str
    worm_faults: list[str]
    free_bytes: int
    low: bool
    sweep: SweepOut | None
