"""What addresses prove of jurisdiction: confidence, zones, codes given up; licence numbers never decide."""

from types import SimpleNamespace

import pytest

from services.common.personal import KeyRing, PersonalData
from services.registry.claims.matching import directory, locate, read, registering_region, steps
from services.registry.claims.rules import MATCH_AT, Authority, Held, Located

PERSONAL = PersonalData(KeyRing({1: bytes(32)}, 1, bytes(32)))
BUREAUX = {f"{r}-SJ": Authority(f"{r}-SJ", r) for r in ("360000", "360100", "360112", "360121", "360702")}
ZONE = Authority("NCGX", "360111", kind="zone")
KNOWN = directory(
    {**BUREAUX, "NCGX": ZONE},
    [("NCGX", "南昌高新区市场监督管理局", [{"region_code": "360121", "street": "昌东镇"}])],
    {"360122": "360112"},
)


def row(address: str | None, licence: str | None = None, registered: str | None = None) -> SimpleNamespace:
    def seal(value: str | None, about: str) -> bytes | None:
        return PERSONAL.seal({"address": value}, about) if value else None

    return SimpleNamespace(
        no=1, id="P", personal=seal(address, "P"), licence=licence,
        subject_id="S", subject_personal=seal(registered, "S"), subject_licence=None,
    )  # fmt: skip


def found(*values: str | None, channel: str = "shop") -> tuple[str, int | None] | None:
    held = Held(1, "P", "imported", 0, "active", channel, "360000", "360000-SJ")
    rows = [row(*values)]
    taken = steps(read(PERSONAL, rows), KNOWN, {1: held}, rows)
    return (str(taken[0][1].match), taken[0][1].confidence) if taken else None


@pytest.mark.parametrize(
    ("address", "region", "sure"),
    [
        ("江西省南昌市南昌县莲塘镇澄湖路1号", "360121", 95),
        ("南昌县莲塘镇澄湖路1号", "360121", 75),
        ("江西省南昌市", "360100", 50),
    ],
)
def test_how_sure_an_address_makes(address: str, region: str, sure: int) -> None:
    located, _ = locate(address)
    assert located and (located.region, located.confidence) == (region, sure)


@pytest.mark.parametrize("address", [None, "", "某地", "江西省", "浙江省杭州市西湖区文三路1号", "\0" * 3])
def test_what_proves_nothing(address: str | None) -> None:
    assert locate(address)[0] is None


def test_a_licence_number_alone_matches_nothing() -> None:
    assert found(None, "91360121MA35ABCDE1") is None
    assert found("某地", "91360121MA35ABCDE1") is None


def test_it_makes_surer_or_less_sure() -> None:
    address = "南昌县莲塘镇澄湖路1号"
    assert found(address) == ("360121-SJ", 75)
    agreed, differs = found(address, "91360121MA35ABCDE1"), found(address, "91360702MA35ABCDE1")
    assert agreed == ("360121-SJ", 85) and agreed[1] is not None and agreed[1] >= MATCH_AT
    assert differs == ("360121-SJ", 65)


def test_a_code_given_up_counts_as_its_successor() -> None:
    assert registering_region("91360122MA35ABCDE1") == "360122"
    assert found("江西省南昌市新建区长堎镇1号", "91360122MA35ABCDE1") == ("360112-SJ", 100)


def test_zones_have_streets_or_names() -> None:
    street = KNOWN.of(Located("360121", 90, "昌东镇"), "")
    named = KNOWN.of(Located("360121", 90), "南昌高新区")
    unknown = KNOWN.of(Located("360121", 90), "某某开发区")
    assert (street, named, unknown) == (("NCGX", 90), ("NCGX", 75), ("360121-SJ", 75))
    assert KNOWN.of(Located("360100", 90), "") is None


def test_a_site_goes_by_its_registered_address() -> None:
    given = ("江西省南昌市南昌县莲塘镇1号", None, "江西省赣州市章贡区文清路1号")
    assert found(*given) == ("360121-SJ", 75)
    assert found(*given, channel="site_trade") == ("360702-SJ", 75)


def test_values_sealed_under_a_lost_key_count_as_absent() -> None:
    other = PersonalData(KeyRing({1: b"x" * 32}, 1, bytes(32)))
    held = Held(1, "P", "imported", 0, "active", "shop", "360000", "360000-SJ")
    rows = [row("江西省南昌市南昌县莲塘镇1号")]
    assert steps(read(other, rows), KNOWN, {1: held}, rows) == []


def test_what_was_read_ahead_counts_only_for_the_same_values_of_the_same_row() -> None:
    before, now = row("江西省南昌市南昌县莲塘镇1号"), row("江西省乐平市鸬鹚乡1号")
    ahead = read(PERSONAL, [before])
    assert read(PERSONAL, [now], ahead) == read(PERSONAL, [now]) != ahead
    assert read(PERSONAL, [before], {(before.personal, "P"): (None, "kept")}) == {
        (before.personal, "P"): (None, "kept")
    }
