"""号码的名称 how a value is named in an address, without telling it."""

import re
from typing import Annotated, Final

from pydantic import Field

from services.registry.identifiers.kinds import Kind

_NAME: Final = r"([1-9]\d{0,2})-([0-9a-f]{16})"
_VALUE_ID: Final = re.compile(_NAME)
_ALL: Final = (1 << 64) - 1

ValueId = Annotated[str, Field(pattern=f"^{_NAME}$")]


def value_id(kind: int, key: int) -> str:
    """The name of a value in an address: kind and keyed hash, which tell nobody the value itself."""
    return f"{int(kind)}-{key & _ALL:016x}"


def parse_value_id(text: str) -> tuple[int, int]:
    """(kind, key) of a name. Raises ValueError for anything else, or a kind there is not."""
    found = _VALUE_ID.fullmatch(text)
    if found is None:
        raise ValueError("not the name of a value")
    key = int(found.group(2), 16)
    return int(Kind(int(found.group(1)))), key - (1 << 64) if key >> 63 else key
