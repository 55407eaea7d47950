"""证照号码 the two numbers of a licence: unified social credit code and 15-digit registration number.

Sources: GB 32100-2015 (18 characters, alphabet without I O S V Z, check character), GS 15-2006 (15 digits,
ISO 7064 MOD 11,10). Arithmetic from python-stdnum.
"""

from __future__ import annotations

import re
from typing import Final

from services.registry.identifiers.characters import plain

USCC_ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_CODE: Final = re.compile(r"[0-9A-Z]{18}").fullmatch
_RUN: Final = re.compile(r"(?<![0-9A-Z])(?:[0-9A-Z]{18}|\d{15})(?![0-9A-Z])", re.ASCII)
_WORD: Final = re.compile(r"[0-9A-Z]{8,40}").fullmatch
_COPY: Final = re.compile(r"\(\d{1,3}(?:-\d{1,3}|/\d{1,3})\)")
_NO_SPACES: Final = str.maketrans("", "", " -.")


def licence_numbers(value: str) -> list[str]:
    """The licence numbers in a cell as compared: upper case, no spaces, no copy mark `(1-1)`; each once.

    A number of another length is given when the cell holds nothing else: it is a fact that two shops show it.
    One character repeated (000…, ×××) is no number.
    """
    if _CODE(value):
        found = [value]
    else:
        text = _COPY.sub(" ", plain(value).upper())
        found = _RUN.findall(text)
        if not found:
            glued = text.split(":")[-1].translate(_NO_SPACES)
            found = _RUN.findall(glued) or ([glued] if _WORD(glued) else [])
    return [number for number in dict.fromkeys(found) if len(set(number)) > 1]
