"""Numbers that a shop page carries, well-formed and plainly fictional.

The organisation part of every credit code begins with `MADEM0`, every ICP number was "filed" in 2099, each
mobile number lies in 199-0000-xxxx, each landline begins with 0, each QQ number exceeds the range in use.
"""

from __future__ import annotations

USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def _weighted(text: str) -> int:
    """Sum of value × 3^i mod 31 over the letters, the scheme of GB 32100-2015 for a check character."""
    return sum(USCC_ALPHABET.index(letter) * pow(3, place, 31) for place, letter in enumerate(text))


def check_character(text: str) -> str:
    """The mod-31 check character of GB 32100-2015 (31 − sum mod 31, 31 written as 0)."""
    return USCC_ALPHABET[(31 - _weighted(text) % 31) % 31]


def organisation_code(body: str) -> str:
    """Add the check character of GB 11714-1997 to an eight-character body (letters count A=10 … Z=35)."""
    weights = (3, 7, 9, 10, 5, 8, 4, 2)
    rest = 11 - sum(int(letter, 36) * weight for letter, weight in zip(body, weights, strict=True)) % 11
    return body + {10: "X", 11: "0"}.get(rest, str(rest))


def credit_code(kind: str, division: str, serial: int) -> str:
    """A unified social credit code (18 characters, GB 32100-2015).

    `kind` is 91 (enterprise), 92 (individual business) or 93 (co-operative), `division` the six digits of the
    registering authority, `serial` 0–99.
    """
    body = kind + division + organisation_code(f"MADEM0{serial:02d}")
    return body + check_character(body)


def label_number(area: str, issued: str, serial: int) -> str:
    """An e-label number in the project's own format.

    赣网标 + area (6) + YYMM + serial (6) + check character.
    """
    body = f"{area}{issued}{serial:06d}"
    return f"赣网标{body}{check_character(body)}"
