"""How the raw form of an identifier is shown: personal kinds masked, public numbers as they are."""

from services.common.personal import PersonalData, PersonalDataError
from services.registry.identifiers.kinds import FIELD_OF_KIND, Kind
from services.registry.personal.rules import PERSONAL, mask

UNREADABLE = "?"


def raw_form(personal: PersonalData, no: int, kind: int, sealed: bytes) -> str | None:
    """The raw form as the shop showed it; None when it does not open. Only for a revealed explanation."""
    try:
        opened = personal.open(sealed, str(no))
    except PersonalDataError:
        return None
    return opened.get(FIELD_OF_KIND[Kind(kind)])


def masked_form(personal: PersonalData, no: int, kind: int, sealed: bytes) -> str:
    """The raw form as lists show it; `?` where it does not open."""
    raw = raw_form(personal, no, kind, sealed)
    if raw is None:
        return UNREADABLE
    field = FIELD_OF_KIND[Kind(kind)]
    return (mask(field, raw) or UNREADABLE) if field in PERSONAL else raw
