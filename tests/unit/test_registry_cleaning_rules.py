"""Cleaning: what is read out of a cell, in whatever disguise, and what an address says."""

import tracemalloc
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from stdnum.cn import uscc as stdnum_uscc

from services.registry.identifiers import normal
from services.registry.identifiers.accounts import qq_numbers, refers_to_phone, wechat_ids
from services.registry.identifiers.characters import CELL, plain, with_digits
from services.registry.identifiers.filings import filings
from services.registry.identifiers.kinds import Kind
from services.registry.identifiers.licences import USCC_ALPHABET, licence_numbers
from services.registry.identifiers.normal import identifying
from services.registry.identifiers.phones import phones
from services.registry.identifiers.places import province_digits
from services.registry.identifiers.rules import (
    check_fields,
    check_phone,
    check_police_no,
    check_uscc,
    findings_in,
)

FIELDS = (
    "phone",
    "qq",
    "wechat",
    "address",
    "return_address",
    "licence",
    "icp",
    "legal_person",
    "payment",
    "image",
    "domain",
    "police_no",
)


@pytest.mark.parametrize(
    "cell",
    [
        "13812345678",
        "+86 138-1234-5678",
        "0086 13812345678",
        "１３８１２３４５６７８",
        "壹叁捌壹贰叁肆伍陆柒捌",
        "一三八一二三四五六七八",
        "①③⑧①②③④⑤⑥⑦⑧",
        "❶❸❽❶❷❸❹❺❻❼❽",
        "1️⃣3️⃣8️⃣1️⃣2️⃣3️⃣4️⃣5️⃣6️⃣7️⃣8️⃣",
        "١٣٨١٢٣٤٥٦٧٨",
        "l38I2345678",
        "138🌸1234🌸5678",
        "138\u200b1234\u202e5678",
        "周一至周五 138.1234.5678",
        "No13812345678",
        "13812345678（微信同号）",
        "\x00138\u00a01234\u30005678",
    ],
)
def test_one_mobile_number_in_many_dresses(cell: str) -> None:
    assert phones(cell) == ["13812345678"]


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("138o1234567", ["13801234567"]),
        ("13〇〇〇零〇1234", ["13000001234"]),
        ("0791-88888888转801", ["079188888888x801"]),
        ("010-62345678-801", ["01062345678x801"]),
        ("(0791)8666 1234", ["079186661234"]),
        ("86-791-86661234", ["079186661234"]),
        ("〇七九一-86661234", ["079186661234"]),
        ("0796-8223344", ["07968223344"]),
        ("021 6234 5678 13912345678", ["02162345678", "13912345678"]),
        ("400-123-4567", ["4001234567"]),
        ("800 810 1234", ["8008101234"]),
        ("13812345678/13987654321", ["13812345678", "13987654321"]),
        ("13812345678 13812345678", ["13812345678"]),
        ("88888888", []),
        ("138****5678", []),
        ("138123456789", []),
        ("95188", []),
        ("电话联系", []),
    ],
)
def test_other_telephone_numbers(cell: str, found: list[str]) -> None:
    assert phones(cell) == found


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("138****5678", "phone.masked"),
        ("88881234", "phone.no_area"),
        ("15412345678", "phone.segment"),
        ("13812345678 以及 1391234567", "phone.format"),
        ("138123456789", "phone.format"),
        ("95188", None),
        ("400 123 4567", None),
    ],
)
def test_what_is_said_of_a_telephone_number(cell: str, code: str | None) -> None:
    assert [f.code for f in check_phone(cell)] == ([code] if code else [])


@pytest.mark.parametrize(
    "cell",
    [
        "abc12345",
        "ABC12345",
        "薇信：abc12345",
        "威信abc12345",
        "徽信号 abc12345",
        "VX:abc12345",
        "vx abc12345",
        "v❤abc12345",
        "微❤：abc12345",
        "加V abc12345",
        "加vx：abc12345",
        "V信:abc12345",
        "WeChat ID: abc12345",
        "＋Ｖ：ａｂｃ１２３４５",
        "VХ：abc12345",
        "w x ： a b c 1 2 3 4 5",
        "abc🌹12345",
        "店主微信号：abc12345",
        "我的微信：abc12345。",
        "微 信 号 是 abc12345",
    ],
)
def test_one_wechat_id_in_many_disguises(cell: str) -> None:
    assert wechat_ids(cell) == ["abc12345"]


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("wxid_abcdefgh1234", ["wxid_abcdefgh1234"]),
        ("微信：WXID_8a7b6c5d4e3f12", ["wxid_8a7b6c5d4e3f12"]),
        ("wx_shop01", ["wx_shop01"]),
        ("vabc12345", ["vabc12345"]),
        ("vx13812345678", ["13812345678"]),
        ("维❤一三八一二三四五六七八", ["13812345678"]),
        ("123456789", ["123456789"]),
        ("abc12345，或 xyz99999", ["abc12345", "xyz99999"]),
        ("同手机号", []),
        ("a!", []),
        ("扫码添加", []),
    ],
)
def test_other_wechat_ids(cell: str, found: list[str]) -> None:
    assert wechat_ids(cell) == found


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("QQ：12345678", ["12345678"]),
        ("扣扣 1234 5678", ["12345678"]),
        ("12345678@qq.com", ["12345678"]),
        ("12345678/87654321", ["12345678", "87654321"]),
        ("q12345678 87654321", ["12345678", "87654321"]),
        ("１２３４５６７８", ["12345678"]),
        ("壹贰叁肆伍陆柒", ["1234567"]),
        ("012345", []),
        ("1234", []),
    ],
)
def test_qq_numbers(cell: str, found: list[str]) -> None:
    assert qq_numbers(cell) == found


def test_a_phone_that_is_also_the_wechat() -> None:
    both = [(1, "13812345678", "13812345678 微信同号"), (3, "13812345678", "13812345678 微信同号")]
    assert identifying({"phone": "13812345678 微信同号"}) == both
    shown = identifying({"phone": "13812345678", "wechat": "同手机号"})
    assert [(kind, norm) for kind, norm, _ in shown] == [(1, "13812345678"), (3, "13812345678")]
    in_wechat = identifying({"wechat": "vx13812345678"})
    assert [(kind, norm) for kind, norm, _ in in_wechat] == [(3, "13812345678"), (1, "13812345678")]
    assert refers_to_phone("手机同号") and not refers_to_phone("abc12345")


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("粤ICP备05094317号-6", [("粤ICP备05094317号", "-6")]),
        ("粤ICP备05094317号-2A", [("粤ICP备05094317号", "-2A")]),
        ("赣ICP备15001421号", [("赣ICP备15001421号", "")]),
        ("赣ICP备2022005379号-3X", [("赣ICP备2022005379号", "-3X")]),
        ("沪ICP备 09007032", [("沪ICP备09007032号", "")]),
        ("备案号：粤ｉｃｐ备０５０９４３１７号", [("粤ICP备05094317号", "")]),
        ("京ICP证030173号", [("京ICP证030173号", "")]),
        ("浙B2-20080101-4", [("浙B2-20080101", "-4")]),
        ("京ICP备09007032号 京ICP证030173号", [("京ICP备09007032号", ""), ("京ICP证030173号", "")]),
        ("ICP15001421", []),
        ("粤ICP备050943171号", []),
    ],
)
def test_icp_published_forms(cell: str, found: list[tuple[str, str]]) -> None:
    assert filings(cell) == found


def test_sites_of_one_filer_share_the_base_and_zero_is_no_filer() -> None:
    one, other = identifying({"icp": "粤ICP备05094317号-6"}), identifying({"icp": "粤ICP备05094317-1"})
    assert one[0][:2] == other[0][:2] == (Kind.ICP, "粤ICP备05094317号")
    assert one[0][2] == "粤ICP备05094317号-6"
    assert identifying({"icp": "赣ICP备00000000号"}) == []


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("赣公网安备36010802000584号", None),
        ("36010802000584", None),
        ("赣公网安备 36010802000584 号", None),
        ("赣公网安备00000000000000号", "police.zero"),
        ("赣公网安备 2021005743号", "police.icp_number"),
        ("赣ICP备2021005743号", "police.icp_number"),
        ("赣公网安备31010102000001号", "police.province"),
        ("赣公网安备360108020005号", "police.truncated"),
        ("赣公网安备360108020005841号", "police.too_long"),
        ("赣公网安备", "police.truncated"),
        ("请见网站底部", "police.format"),
    ],
)
def test_police_numbers(cell: str, code: str | None) -> None:
    assert [f.code for f in check_police_no(cell)] == ([code] if code else [])
    assert len(identifying({"police_no": cell})) == (code in {None, "police.province"})


def test_every_province_has_its_digits() -> None:
    assert len(province_digits()) == 31
    assert province_digits()["赣"] == "36" and province_digits()["沪"] == "31"


@given(st.text(USCC_ALPHABET, min_size=17, max_size=17))
def test_the_check_character_is_the_one_of_the_standard(stem: str) -> None:
    """Our arithmetic against python-stdnum's, for any code."""
    right = stdnum_uscc.calc_check_digit(stem)
    passing = [c for c in USCC_ALPHABET if not check_uscc(stem + c)]
    assert passing == [right]


@pytest.mark.parametrize(
    "cell",
    [
        "9144030071526726XG",
        "9144030071526726xg",
        "91440300 71526726XG (1-1)",
        "统一社会信用代码：9144030071526726XG",
        "９１４４０３００７１５２６７２６ＸＧ",
    ],
)
def test_licence_numbers(cell: str) -> None:
    assert licence_numbers(cell) == ["9144030071526726XG"]


def test_no_letter_of_a_licence_is_ever_replaced() -> None:
    assert licence_numbers("9I44O30071526726XG") == ["9I44O30071526726XG"]
    assert licence_numbers("000000000000000000") == []
    assert licence_numbers("441900000436441") == ["441900000436441"]
    assert licence_numbers("无") == []


CELLS = st.one_of(
    st.text(max_size=60),
    st.text("0123456789一二三四〇oOlI-号栋路#ABvV微信❤QQ转 ()（）\u202e\x00", max_size=60),
    st.text(st.characters(categories=["Cs", "Cf", "Mn", "So", "Nd", "Lo"]), max_size=40),
)
ROWS: Any = st.dictionaries(st.sampled_from(FIELDS), st.none() | CELLS)


@given(ROWS)
@example({"phone": "\ud800", "wechat": "\ud800abc12345", "legal_person": "\ud800王"})
@example({"domain": "http://[::1", "icp": "粤ICP备١٢٣٤٥٦٧٨号"})
def test_any_row_is_read_and_none_is_changed(row: dict[str, str | None]) -> None:
    """Never raises; raw forms are the cells as given; what is hashed can always be encoded."""
    before = dict(row)
    found = identifying(row)
    check_fields(row)
    assert row == before
    for kind, norm, raw in found:
        assert norm.encode() and raw in row.values() and kind in set(Kind)
    assert len({(kind, norm) for kind, norm, _ in found}) == len(found)


@given(st.sampled_from([f for f in FIELDS if "address" not in f]), CELLS)
def test_a_normal_form_is_its_own_normal_form(field: str, cell: str) -> None:
    for kind, norm, _ in identifying({field: cell}):
        again = {(k, n) for k, n, _ in identifying({field: norm})}
        assert (kind, norm) in again or (kind == Kind.PHONE and field == "wechat")


@given(CELLS)
def test_plain_text_stays_plain(cell: str) -> None:
    assert plain(plain(cell)) == plain(cell)
    assert with_digits(with_digits(cell)) == with_digits(cell)


@pytest.mark.parametrize(
    "unit", ["1", "o", "138 ", "市区", "路", "3-", "微", "wx", "(", "v ", "号", "加", "\u0301", "A", " "]
)
def test_ten_megabytes_in_a_cell_are_as_much_work_as_two_thousand_characters(
    unit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bounded by construction: whatever reads a cell reads its first characters, so little is allocated."""
    huge = unit * (10_000_000 // len(unit))
    seen: list[int] = []
    for name in ("phones", "qq_numbers", "wechat_ids", "licence_numbers", "parse", "filings"):
        read = getattr(normal, name)
        monkeypatch.setattr(normal, name, _watched(read, seen))
    tracemalloc.start()
    (cells,) = normal.taken_apart([dict.fromkeys(FIELDS, huge)])
    findings_in(cells)
    normal.found_in(cells)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(seen) == 6
    assert peak < 8 * 1024 * 1024
    assert len(plain(huge)) <= CELL


def _watched(read: Any, seen: list[int]) -> Any:
    def reader(value: str) -> Any:
        seen.append(len(value))
        return read(value)

    return reader
