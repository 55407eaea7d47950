"""Personal values on the wire."""

from typing import Annotated, Self

from pydantic import BaseModel, Field, model_validator

from services.common.wire import Instant, Text
from services.registry.personal.rules import PERSONAL, Purpose


class RevealIn(BaseModel):
    """What the values are needed for; `note` says what when the purpose is `other`."""

    purpose: Purpose
    note: Annotated[Text, Field(max_length=200)] | None = None
    fields: list[Annotated[str, Field(max_length=20)]] | None = Field(
        None, max_length=len(PERSONAL), description="只看这些；默认全部 · only these; all unless given"
    )

    @model_validator(mode="after")
    def _says_what_for(self) -> Self:
        if self.purpose is Purpose.OTHER and not self.note:
            raise ValueError("the purpose `other` needs a note")
        if unknown := set(self.fields or ()) - set(PERSONAL):
            raise ValueError(f"no personal field: {sorted(unknown)[0]}")
        return self


class RevealOut(BaseModel):
    """The values in full, with the moment and the purpose as they stand in the audit record."""

    values: dict[str, str]
    purpose: Purpose
    purpose_zh: str
    purpose_en: str
    revealed_at: Instant
