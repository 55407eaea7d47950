"""Values from a page made fit for canonical JSON."""

from typing import Any

# RFC 8785 §3.2.2.3: numbers are IEEE doubles; larger integers lose digits.
_LARGEST = 2**53 - 1


def tidy(value: Any) -> Any:
    """The value at any depth with lone surrogates and NUL replaced by U+FFFD; oversized numbers as text.

    A page can put these into titles and messages; RFC 8785 and PostgreSQL have no form for them.
    """
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "\ufffd")
    if isinstance(value, dict):
        return {str(tidy(str(key))): tidy(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [tidy(item) for item in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        # NaN is not <= anything: it becomes text too.
        return value if abs(value) <= _LARGEST else str(value)
    return value
