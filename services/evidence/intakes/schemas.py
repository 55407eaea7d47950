"""What the worker gets back for an artefact."""

from pydantic import BaseModel


class ArtefactTaken(BaseModel):
    """A received artefact; digests in lowercase hex."""

    path: str
    bytes: int
    sha256: str
    sm3: str
