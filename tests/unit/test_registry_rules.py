"""Registry rules: published vectors, what warns, what is never changed, and how text is found."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.registry.bootstrap import shipped_divisions
from services.registry.identifiers.rules import (
    USCC_ALPHABET,
    canonical_icp,
    check_fields,
    check_icp,
    check_licence,
    check_phone,
    check_qq,
    check_regno15,
    check_uscc,
    check_wechat,
    compact,
    licence_kind,
    mask_contact,
)
from services.registry.imports.rules import neutralise
from services.registry.organisations.rules import bureaux
from services.registry.presences.rules import Channel, channel_of_platform, domain_of
from services.registry.regions.rules import Gazetteer, Level, parse_divisions, within
from services.registry.search.rules import (
    SEPARATOR,
    fold,
    like_pattern,
    query_around,
    query_grams,
    search_fields,
)

# Codes of real companies, as printed on their own sites.
LIVE_USCC = (
    "91330106673959654P",
    "913200005668848108",
    "91330100799655058B",
    "9144030071526726XG",
    "91110000802100433B",
    "914403001922038216",
    "91110108551385082Q",
)
HEADER = "id,name,phone,qq,wechat,address,licence,icp,platform"
PLACES = Gazetteer({d.code: d.name for d in shipped_divisions()})


@pytest.mark.parametrize("code", LIVE_USCC)
def test_live_codes_pass(code: str) -> None:
    assert check_uscc(code) == []
    assert check_uscc(f" {code.lower()} ") == []


@given(st.sampled_from(LIVE_USCC), st.integers(0, 17), st.sampled_from(USCC_ALPHABET))
def test_one_wrong_character_is_always_noticed(code: str, place: int, other: str) -> None:
    """The weights are powers of 3 modulo a prime, so every single substitution changes the check sum."""
    wrong = code[:place] + other + code[place + 1 :]
    assert (check_uscc(wrong) == []) == (wrong == code)


def test_letters_a_uscc_never_uses_are_named_and_not_replaced() -> None:
    given_code = "9133O106673959654P"
    (finding,) = check_licence(given_code)
    assert finding.code == "uscc.alphabet" and "O" in finding.zh


def test_legacy_number() -> None:
    assert check_regno15("441900000436441") == []
    assert [f.code for f in check_regno15("441900000436442")] == ["regno15.check_digit"]
    assert licence_kind("441900000436441") == "regno15"
    assert licence_kind("９１３３０１０６６７３９５９６５４Ｐ") == "uscc"
    assert [f.code for f in check_licence("12345")] == ["licence.format"]


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("赣ICP备15001421号", "赣ICP备15001421号"),
        ("粤ICP备05094317号-6", "粤ICP备05094317号-6"),
        ("赣ICP备2022005379号", "赣ICP备2022005379号"),
        ("沪ICP备 09007032", "沪ICP备09007032号"),
        ("赣icp备15001421号", "赣ICP备15001421号"),
        ("浙B2-20080101-4", "浙B2-20080101-4"),
        ("京ICP证030173号", "京ICP证030173号"),
        ("ICP15001421", None),
        ("赣ICP备150014号", None),
    ],
)
def test_icp_forms(written: str, canonical: str | None) -> None:
    assert canonical_icp(written) == canonical
    codes = [f.code for f in check_icp(written)]
    assert codes == ([] if written == canonical else ["icp.format"] if canonical is None else ["icp.variant"])


def test_icp_zero_is_called_false() -> None:
    assert [f.code for f in check_icp("赣ICP备00000000号")] == ["icp.zero"]


@pytest.mark.parametrize(
    "good", ["13807911234", "+86 138-0791-1234", "0791-88881234", "400-123-4567", "１３８０７９１１２３４"]
)
def test_phone_forms(good: str) -> None:
    assert check_phone(good) == []


@pytest.mark.parametrize("bad", ["12345", "1380791123", "0000000", "电话联系"])
def test_doubtful_phones_warn(bad: str) -> None:
    assert [f.code for f in check_phone(bad)] == ["phone.format"]


def test_several_numbers_in_one_cell() -> None:
    assert check_phone("13807911234、0791-88881234") == []
    assert check_qq("12345678/87654321") == []
    assert [f.code for f in check_qq("012345")] == ["qq.format"]
    assert check_wechat("wxid_abc123") == []
    assert check_wechat("13807911234") == []
    assert [f.code for f in check_wechat("微信同号")] == ["wechat.refers"]
    assert [f.code for f in check_wechat("a!")] == ["wechat.format"]


@given(st.dictionaries(st.sampled_from(["licence", "icp", "phone", "qq", "wechat"]), st.text(max_size=60)))
def test_checks_take_any_text_and_change_nothing(values: dict[str, str]) -> None:
    before = dict(values)
    for finding in check_fields(values):
        assert finding.zh and finding.en and finding.field in values
    assert values == before


@given(st.text(max_size=40))
def test_compact_is_stable(text: str) -> None:
    assert compact(compact(text)) == compact(text)


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("phone", "13807911234", "138****1234"),
        ("qq", "12345678", "12****78"),
        ("wechat", "abc", "***"),
        ("address", "江西省南昌市南昌县莲塘镇1号", "江西省南昌市********"),
        ("phone", None, None),
    ],
)
def test_masks(field: str, value: str | None, shown: str | None) -> None:
    assert mask_contact(field, value) == shown


@given(st.text(min_size=1, max_size=40))
def test_a_mask_never_shows_a_whole_value(value: str) -> None:
    shown = mask_contact("phone", value)
    assert shown is not None
    assert set(shown) == {"*"} if len(value) <= 7 else set(shown[3:-4]) == {"*"}


def test_divisions_are_complete() -> None:
    divisions = shipped_divisions()
    assert [sum(d.level is level for d in divisions) for level in Level] == [1, 11, 100]
    assert sum(d.name.endswith("县") for d in divisions if d.level is Level.COUNTY) == 61
    assert all(d.parent_code is None or within(d.code, d.parent_code) for d in divisions)
    made = bureaux(divisions)
    assert len({b.name for b in made}) == 112
    county = next(b for b in made if b.code == "360121-SJ")
    assert (county.name, county.parent_code) == ("南昌县市场监督管理局", "360100-SJ")


@pytest.mark.parametrize(
    "text", ["code,name,parent_code\n36012,x,\n", "code,name,parent_code\n360100,x,360000\n"]
)
def test_broken_divisions_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="line 2"):
        parse_divisions(text)


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("江西省南昌市南昌县莲塘镇", "360121"),
        ("赣州市赣县区梅林镇", "360704"),
        ("江西省南昌市", "360100"),
        ("浙江省杭州市西湖区文三路", None),
        ("西湖区与章贡区之间", None),
        ("南昌市章贡区", "360100"),
        ("", None),
    ],
)
def test_places_in_addresses(address: str, code: str | None) -> None:
    assert PLACES.locate(address) == code


def test_channels_and_domains() -> None:
    assert channel_of_platform("天猫") is Channel.SHOP_B
    assert channel_of_platform("抖音直播") is Channel.LIVE_ROOM
    assert channel_of_platform("拼多多") is Channel.SHOP
    assert channel_of_platform("www.example.cn") is Channel.SITE_TRADE
    assert channel_of_platform("") is Channel.OTHER
    assert domain_of("https://Shop.Example.cn:8443/x?y") == "shop.example.cn"
    assert domain_of("http://[broken") is None


text_values = st.lists(st.text(max_size=30), min_size=1, max_size=5)


@given(text_values, st.data())
def test_any_substring_is_found(values: list[str], data: st.DataObject) -> None:
    """What the SQL asks (all query grams present, LIKE on the folded text) holds for every substring."""
    text, grams = search_fields(values, "360000")
    parts = [p for p in text.split(SEPARATOR) if p]
    if not parts:
        return
    part = data.draw(st.sampled_from(parts))
    start = data.draw(st.integers(0, len(part) - 1))
    query = part[start : data.draw(st.integers(start + 1, len(part)))]
    if fold(query) != query:  # folding a cut-out combining sequence anew may change it
        return
    assert set(query_grams(query)) <= set(grams)
    assert not query_around(query) or set(query_around(query)) & set(grams)
    assert query in text


def test_folding_and_patterns() -> None:
    assert fold("Ａｂｃ　茶\u200b业") == "abc茶业"
    assert like_pattern("50%_\\") == "%50\\%\\_\\\\%"
    assert query_grams("a") == []
    assert len(query_grams("一二三四五")) == 4


@given(st.text(max_size=30))
def test_exported_cells_never_start_a_formula(cell: str) -> None:
    out = neutralise(cell)
    assert not out.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert out.removeprefix("'") == cell or out == cell
