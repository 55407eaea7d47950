"""地址 an address as written, taken apart to province, city, county, street and door.

Nothing is corrected: what cannot be told stays empty, and `confidence` says how much of an address there
was. Names that were given up lead to today's place, with a remark. The normal form (`door`) serves linking:
two spellings of one door give the same text (大道/路/街, 幢/栋/座/#/号楼, Chinese numerals, full-width forms,
province left out), and what names no door has none.
"""

from __future__ import annotations

import re
from typing import Final

from services.registry.identifiers.characters import address_text
from services.registry.identifiers.places import OWN_PROVINCES, Place, places

LONGEST: Final = 400
_BRACKETS: Final = re.compile(r"[(\[【][^)\]】]{0,200}[)\]】]?")
_LABEL: Final = re.compile(r"^(?:中国|.{0,6}?(?:地址|住所|场所))")
_NUMERAL: Final = re.compile(
    r"第?([〇零一二两三四五六七八九十百]{1,7})(?=号|栋|幢|座|单元|层|楼|室|房|组|弄|期|#|队|馆)"
)
_HAS_NUMERAL: Final = re.compile(r"[一二三四五六七八九十〇零]").search
_VALUES: Final = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_OTHER_CITY: Final = re.compile(r"([^\d省市区县镇路]{2,9}?(?:市|自治州|地区|盟))")
_OTHER_COUNTY: Final = re.compile(
    r"([^\d省市路街镇乡]{1,8}?(?:自治县|自治旗|(?<![小园社发新])区|县|市|旗))(?!路)"
)
_ZONE: Final = re.compile(
    r"([^\d路街镇乡村]{0,8}?(?:经济技术开发区|高新技术产业开发区|高新技术开发区|经济开发区|高新开发区|工业园区"
    r"|经开区|高新区|开发区|(?<=[^新])新区))(?![路街大])"
)
_TOWN: Final = re.compile(
    r"([^\d]{1,8}?(?:街道办事处|街道办|街道)|[^\d路]{1,8}?(?:管理处|办事处|[镇乡](?![路街大道政村]))(?:人民政府)?)"
)
_VILLAGE: Final = re.compile(
    r"([^\d路街]{1,10}?(?:村民委员会|居民委员会|村委会|居委会|社区|村))(?![路街大道])"
)
_ROAD: Final = re.compile(r".*(?:大道|大街|胡同|[路街巷弄道](?![口店]))").match
_WAY: Final = re.compile(r"大道|大街|街|道(?=$|[东西南北中])")
_TOKEN: Final = re.compile(
    r"([^\dA-Z#\-]+)"
    r"|([A-Z]{0,2}\d{1,20}[A-Z]?(?:-[A-Z]?\d{1,20}[A-Z]?)*|[A-Z](?=-?\d|[栋幢座区馆#]))-?"
    r"(号楼|号馆|[栋幢座馆号#层楼室房组队期区弄米]|单元|公里)?"
    r"|([A-Z]+)",
    re.ASCII,
).findall
_PIECE: Final = re.compile(r"[A-Z]+|\d+[A-Z]?")
_NEAR: Final = re.compile(r"对面|旁|附近|隔壁|斜对|交叉口|路口|以[东西南北]").search
_BUILDING: Final = frozenset({"号楼", "号馆", "栋", "幢", "座", "馆", "#", "区", "期"})
_FLOOR: Final = frozenset({"层", "楼"})
_GROUP: Final = frozenset({"组", "队"})
_DISTANCE: Final = frozenset({"米", "公里"})
_STREET: Final = frozenset("路街道巷")


class Address:
    """What an address says. Codes are of GB/T 2260; texts as written; empty where it says nothing.

    number: the house's (door plate) number; building, unit, floor, room: as far as named; parts: all of them
    in order as compared; confidence: 0 (no address) to 1 (county, street and door, nothing contradictory);
    notes: codes of remarks (`address.retired_name`, `address.conflict`, `address.nearby`).
    """

    # Defaults on the class: most addresses fill few of them, and 200,000 are made in an import.
    province = city = county = region_code = zone = town = village = group = ""
    road = number = place = building = unit = floor = room = ""
    confidence = 0.0

    def __init__(self) -> None:
        """An address that says nothing yet."""
        self.parts: list[str] = []
        self.notes: list[str] = []

    @property
    def door(self) -> str:
        """The normal form down to the door, for comparison; empty when the address names none."""
        if not self.parts or "address.nearby" in self.notes:
            return ""
        anchor = self.road if self.road and self.number else self.village or self.place or self.road
        if "道" in anchor or "街" in anchor:
            anchor = _WAY.sub("路", anchor)
        code = self.region_code
        where = code[:4] if code and code[2:4] != "00" else self.city
        where = where or places().provinces.get(self.province, "")
        return f"{where}{anchor}{'-'.join(self.parts)}" if anchor else ""


def parse(value: str) -> Address:
    """An address taken apart; never raises. Reads at most 400 characters."""
    text = address_text(value, LONGEST)
    if "(" in text or "[" in text or "【" in text:
        text = _BRACKETS.sub("", text)
    if "址" in text or "所" in text or text.startswith("中国"):
        text = _LABEL.sub("", text, count=1)
    if _HAS_NUMERAL(text):
        text = _NUMERAL.sub(_arabic, text)
    found = Address()
    rest = _street(found, text[_region(found, text) :])
    _doors(found, rest)
    found.confidence = _confidence(found)
    return found


def door(value: str) -> str:
    """The normal form of an address down to the door, or the empty text: see Address.door."""
    return parse(value).door


def _arabic(found: re.Match[str]) -> str:
    word = found[1]
    if "十" not in word and "百" not in word:
        return "".join(str(_VALUES[c]) for c in word)
    total, digit = 0, 0
    for c in word:
        if c == "百":
            total, digit = total + (digit or 1) * 100, 0
        elif c == "十":
            total, digit = total + (digit or 1) * 10, 0
        else:
            digit = _VALUES[c]
    return str(total + digit)


def _region(found: Address, text: str) -> int:
    known = places()
    position, province = 0, ""
    for length in (3, 2, 4, 8, 7, 6):
        code = known.provinces.get(text[:length])
        if code and not (length < 4 and _begins_street(text, length)):
            province, position = code, length
            found.province = text[:length]
            break
    if province and province not in OWN_PROVINCES:
        return _elsewhere(found, text, position)
    if province:
        found.region_code = province + "0000"
    position = _own_city(found, text, position)
    position = _own_county(found, text, position)
    return position if found.city else _elsewhere(found, text, position)


def _begins_street(text: str, end: int) -> bool:
    return text[end : end + 1] in _STREET or text[end + 1 : end + 2] in _STREET


def _own_city(found: Address, text: str, position: int) -> int:
    known = places()
    for length in (3, 4):
        place = known.cities.get(text[position : position + length])
        if place:
            return _set_city(found, place, position + length)
    for length in (2, 3):
        name = text[position : position + length]
        place = known.spoken.get(name)
        end = position + length
        if place and not _begins_street(text, end) and text[position : end + 1] not in known.counties:
            return _set_city(found, place, end)
    return position


def _set_city(found: Address, place: Place, position: int) -> int:
    found.city, found.region_code = place.name, place.code
    return position


def _own_county(found: Address, text: str, position: int) -> int:
    counties = places().counties
    for length in (6, 5, 4, 3, 2):
        name = text[position : position + length]
        choices = counties.get(name)
        if not choices or (name[-1] not in "区县市" and _begins_street(text, position + length)):
            continue
        fitting = [p for p in choices if p.code[:4] == found.region_code[:4]] if found.city else choices
        if not fitting:
            found.notes.append("address.conflict")
            fitting = choices
        place = fitting[0]
        if place.retired or name == "红谷滩新区":
            found.notes.append("address.retired_name")
        found.county, found.region_code = place.name, place.code
        found.city = found.city or places().names.get(place.code[:4] + "00", "")
        return position + length
    return position


def _elsewhere(found: Address, text: str, position: int) -> int:
    city = _OTHER_CITY.match(text, position)
    if city:
        found.city, position = city[1].removesuffix("市"), city.end()
    if city or found.province:
        county = _OTHER_COUNTY.match(text, position)
        if county:
            found.county, position = county[1], county.end()
    return position


def _street(found: Address, text: str) -> str:
    position = 0
    if "区" in text:
        position = _zone(found, text, 0)
    if "街道" in text or "镇" in text or "乡" in text or "处" in text:
        town = _TOWN.match(text, position)
        if town:
            found.town, position = town[1], town.end()
            if "开发区" in text and not found.zone:
                position = _zone(found, text, position)
    if "村" in text or "社区" in text or "委会" in text:
        village = _VILLAGE.match(text, position)
        if village:
            found.village, position = village[1], village.end()
    return text[position:]


def _zone(found: Address, text: str, position: int) -> int:
    zone = _ZONE.match(text, position)
    if zone:
        found.zone, position = zone[1], zone.end()
    return position


def _doors(found: Address, text: str) -> None:
    for words, number, unit, letters in _TOKEN(text):
        if words or letters:
            _words(found, words or letters)
        elif unit or len(number) < 6 or "-" in number:
            _number(found, number, unit)
    if found.floor and not found.room:
        found.parts.append(f"L{found.floor}")


def _words(found: Address, words: str) -> None:
    if _NEAR(words):
        found.notes.append("address.nearby")
    if not found.parts:
        road = _ROAD(words)
        if road:
            found.road += road[0]
            words = words[road.end() :]
        if len(words) > 1:
            found.place = words
    elif not found.place and len(words) > 2:
        found.place = words


def _number(found: Address, number: str, unit: str) -> None:
    if unit in _FLOOR:
        found.floor = number
        return
    if unit in _DISTANCE:
        found.notes.append("address.nearby")
        return
    if unit == "号" and not found.number and not found.building:
        found.number = number
    elif unit == "单元":
        found.unit = number
    elif unit in _GROUP:
        found.group = number
    elif unit in _BUILDING:
        found.building = found.building or number
    elif not unit and found.road and not found.parts:
        found.number = number
    else:
        found.room = number
    if number.isdigit():
        found.parts.append(number)
    else:
        found.parts.extend(_PIECE.findall(number))


def _confidence(found: Address) -> float:
    share = (
        0.45 if found.county else 0.3 if found.city else 0.1 if found.region_code or found.province else 0.0
    )
    if found.road or found.village or (found.place and (share or found.parts)):
        share += 0.25
    if found.parts:
        share += 0.2
    if found.room or found.group or (found.number and not found.building):
        share += 0.1
    if "address.conflict" in found.notes:
        share -= 0.3
    if "address.nearby" in found.notes:
        share -= 0.2
    return round(max(share, 0.0), 2)
