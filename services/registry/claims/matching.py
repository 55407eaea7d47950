"""自动匹配 where presences belong, from their addresses: sealed values are opened, parsed and forgotten."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.common.personal import PersonalData, PersonalDataError
from services.registry.claims.rules import Authority, Held, Located, Step, matched, place
from services.registry.identifiers.addresses import parse
from services.registry.regions.rules import Level, level_of

_COUNTY_IN_CITY: Final = 95
_COUNTY: Final = 75
_CITY: Final = 50
_CONTRADICTS: Final = 40
_OLD_NAME: Final = 5
_IN_ZONE: Final = 15
_NOWHERE: Final = (None, "")
Places = dict[tuple[bytes, str], tuple[Located | None, str]]
"""By sealed values and the row they are sealed for: where their address lies, and the zone it names."""


@dataclass(frozen=True, slots=True)
class Directory:
    """The authorities that can hold presences: county bureaux by region, zones by name and by street.

    `successors`: today's code of a retired one, which still stands in many licence numbers.
    """

    bureaux: Mapping[str, str]
    streets: Mapping[tuple[str, str], str]
    zones: Mapping[str, str]
    successors: Mapping[str, str]

    def of(self, located: Located, zone: str) -> tuple[str, int] | None:
        """The authority for a place and how sure; None when it names no county.

        A street that a zone's bureau covers decides for it. An address that names a zone whose streets are
        not known is less sure: the zone's bureau may have it, or the county's.
        """
        bureau = self.bureaux.get(located.region)
        street = self.streets.get((located.region, located.street or ""))
        if street:
            return street, located.confidence
        if zone and (named := self.zones.get(zone)):
            return named, max(0, located.confidence - _IN_ZONE)
        if bureau is None:
            return None
        return bureau, located.confidence - (_IN_ZONE if zone else 0)


def directory(
    authorities: Mapping[str, Authority],
    zones: Sequence[tuple[str, str, list[dict[str, str]]]],
    successors: Mapping[str, str],
) -> Directory:
    """The directory from all authorities, names and areas of the zones' bureaux, and codes given up."""
    bureaux = {
        a.region: a.code
        for a in authorities.values()
        if a.kind == "bureau" and level_of(a.region) is Level.COUNTY
    }
    streets = {
        (part["region_code"], part["street"]): code
        for code, _, area in zones
        for part in area
        if part.get("street")
    }
    named = {name.split("市场监督")[0]: code for code, name, _ in zones}
    return Directory(bureaux, streets, named, successors)


def locate(address: str | None) -> tuple[Located | None, str]:
    """What an address says of its division, how sure, and the zone it names (empty text for none).

    Sure of a county named with its city. Named alone it is less: counties of other provinces bear the same
    name (西湖区). Less also by a name given up, and in contradiction.
    """
    if not address:
        return None, ""
    found = parse(address)
    if not found.region_code or level_of(found.region_code) is Level.PROVINCE:
        return None, ""
    sure = _CITY
    if level_of(found.region_code) is Level.COUNTY:
        elsewhere = address.replace(found.county, "")
        sure = _COUNTY_IN_CITY if found.city and found.city[:2] in elsewhere else _COUNTY
    if "address.conflict" in found.notes:
        sure -= _CONTRADICTS
    if "address.retired_name" in found.notes:
        sure -= _OLD_NAME
    return Located(found.region_code, max(sure, 0), found.town or None), found.zone


def registering_region(licence: str | None) -> str | None:
    """Positions 3–8 of a unified social credit code (GB 32100): the registering authority's division."""
    code = (licence or "").strip()
    return code[2:8] if len(code) == 18 and code[2:8].isdigit() else None


def read(personal: PersonalData, rows: Sequence[Any], known: Places | None = None) -> Places:
    """Where the addresses of these presences and their subjects lie; those in `known` are not read again.

    rows: what `repository.addresses` gives. Values sealed under a key unknown here count as absent.
    """
    before, found = known or {}, Places()
    for row in rows:
        for sealed, about in ((row.personal, row.id), (row.subject_personal, row.subject_id)):
            if sealed and about:
                at = (sealed, about)
                found[at] = before.get(at) or locate(_address(personal, sealed, about))
    return found


def steps(
    places: Places, known: Directory, held: Mapping[int, Held], rows: Sequence[Any]
) -> list[tuple[Held, Step]]:
    """The steps of the matching run for these presences; those it cannot place are left out.

    places: of these rows, from `read`.
    """
    taken: list[tuple[Held, Step]] = []
    for row in rows:
        one = held[row.no]
        displayed, zone = places.get((row.personal, row.id), _NOWHERE)
        registered, registered_zone = places.get((row.subject_personal, row.subject_id), _NOWHERE)
        licence = registering_region(row.licence or row.subject_licence)
        today = known.successors.get(licence, licence) if licence else None
        located = place(one.channel, displayed, registered, today)
        found = known.of(located, zone or registered_zone) if located else None
        step = matched(one, *found) if found else None
        if step:
            taken.append((one, step))
    return taken


def _address(personal: PersonalData, sealed: bytes, about: str) -> str | None:
    try:
        return personal.open(sealed, about).get("address")
    except PersonalDataError:
        return None
