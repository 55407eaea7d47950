"""Addresses: many spellings of one door, what an address says, and how sure that is."""

import pytest

from services.registry.identifiers.addresses import door, parse
from services.registry.identifiers.rules import check_fields

ONE_DOOR = (
    "江西省南昌市红谷滩区红谷中大道998号绿地中央广场A座508-12",
    "红谷滩新区红谷中路998号绿地中央广场A#508-12",
    "江西 南昌 红谷滩区 红谷中大道九九八号 A栋 508-12室",
    "江西省南昌市红谷滩区红谷中大道９９８号（绿地中央广场）Ａ座５０８－１２",
    "地址：南昌市红谷滩区红谷中大道998号a座5楼508-12",
    "南昌红谷滩红谷中大道998号A幢508-12",
)


@pytest.mark.parametrize("address", ONE_DOOR)
def test_one_door_in_many_spellings(address: str) -> None:
    assert door(address) == door(ONE_DOOR[0]) == "3601红谷中路998-A-508-12"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("南昌市东湖区八一大道357号3栋2单元502室", "南昌东湖区八一路357号3幢二单元502"),
        ("南昌市东湖区八一大道357号3栋2单元502室", "南昌市东湖区八一大道357号3-2-502"),
        ("赣州市南康区龙岭镇家具产业园三栋五楼502室", "赣州市南康区家具产业园3号楼502"),
        ("吉安市遂川县于田镇黄坳村三组12号", "遂川县黄坳村3组12号"),
        ("浙江省杭州市西湖区文三路十二号3幢502室", "杭州市西湖区文三路12号3-502"),
        ("江西省青云市东平区解放路12号3栋502室", "青云市东平区解放路12号3-502"),
        ("上海市浦东新区张杨路500号1203室", "上海浦东新区张杨路500号12楼1203"),
    ],
)
def test_pairs_of_spellings(one: str, other: str) -> None:
    assert door(one) == door(other) != ""


@pytest.mark.parametrize(
    "other",
    [
        "江西省南昌市红谷滩区红谷中大道998号A座508-13",
        "江西省南昌市红谷滩区红谷中大道998号B座508-12",
        "江西省南昌市红谷滩区红谷中大道99号A座508-12",
        "江西省南昌市红谷滩区红谷北大道998号A座508-12",
        "江西省九江市濂溪区红谷中大道998号A座508-12",
    ],
)
def test_another_door_stays_another(other: str) -> None:
    assert door(other) not in {"", door(ONE_DOOR[0])}


@pytest.mark.parametrize(
    "address", ["江西 南昌", "江西省南昌市东湖区", "南昌市八一大道", "八一大道357号对面", "", "　"]
)
def test_what_names_no_door_links_nothing(address: str) -> None:
    assert door(address) == ""


def test_an_address_taken_apart() -> None:
    found = parse("江西省南昌市青山湖区艾溪湖管理处南京东路235号3栋2单元1803室 张三收 13812345678")
    taken = (found.province, found.city, found.county, found.region_code, found.town, found.road)
    assert taken == ("江西省", "南昌市", "青山湖区", "360111", "艾溪湖管理处", "南京东路")
    assert (found.number, found.building, found.unit, found.room) == ("235", "3", "2", "1803")
    assert found.confidence == 1.0 and found.notes == []
    village = parse("遂川县于田镇黄坳村三组12号")
    assert (village.region_code, village.town, village.village, village.group) == (
        "360827",
        "于田镇",
        "黄坳村",
        "3",
    )
    zone = parse("抚州市临川区金巢经济开发区文昌大道88号")
    assert (zone.zone, zone.road, zone.number) == ("金巢经济开发区", "文昌大道", "88")


def test_confidence_grows_with_what_is_said() -> None:
    steps = [
        "不详",
        "江西省",
        "江西省南昌市",
        "江西省南昌市东湖区",
        "江西省南昌市东湖区八一大道",
        "东湖区八一大道357号",
    ]
    shares = [parse(step).confidence for step in steps]
    assert shares == sorted(set(shares)) and shares[0] == 0 and shares[-1] == 1.0
    torn = parse("江西省南昌市章贡区八一大道357号")
    assert torn.notes == ["address.conflict"] and torn.confidence < 0.8
    assert [f.code for f in check_fields({"address": "江西省南昌市章贡区八一大道357号"})] == [
        "address.conflict"
    ]


@pytest.mark.parametrize(
    ("address", "region", "county"),
    [
        ("九江路12号", "", ""),
        ("九江市庐山区十里大道12号", "360402", "濂溪区"),
        ("江西省新建县长堎镇新建大道12号", "360112", "新建区"),
        ("赣州市南康市龙岭镇", "360703", "南康区"),
        ("南昌市南昌县莲塘镇澄湖中路12号", "360121", "南昌县"),
        ("南昌县莲塘镇澄湖中路12号", "360121", "南昌县"),
        ("浙江省杭州市西湖区文三路12号", "", "西湖区"),
        ("江西南路12号", "", ""),
        ("景德镇市珠山区广场南路12号", "360203", "珠山区"),
    ],
)
def test_names_that_mislead(address: str, region: str, county: str) -> None:
    found = parse(address)
    assert (found.region_code, found.county) == (region, county)


def test_a_name_that_was_given_up_leads_to_the_place_of_today_and_is_remarked() -> None:
    assert door("江西省新建县长堎镇新建大道12号") == door("南昌市新建区新建大道12号")
    codes = [f.code for f in check_fields({"address": "江西省新建县长堎镇新建大道12号"})]
    assert codes == ["address.retired_name"]
