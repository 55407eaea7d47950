"""Reading lists: encodings, separators, headers, columns, and what one odd record costs."""

import io
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.personal import KeyRing, PersonalData, PersonalDataError
from services.registry.identifiers.rules import Finding
from services.registry.imports.fields import FIELDS, mapping_fault, named_fields, suggest, to_remember
from services.registry.imports.reading import kept, tables, workbooks
from services.registry.imports.reading.encodings import _first_level, guess_encoding
from services.registry.imports.reading.kept import KeptFiles
from services.registry.imports.reading.tables import Layout, Record, guess_delimiter, guess_header, records
from services.registry.imports.taking.values import BadRowError, Row, read_rows, shown_value
from tests.registry_lists import HEADER, workbook

COLUMNS = HEADER.split(",")
SIMPLIFIED = "江西省南昌市红谷滩新区丰和大道一百号鲜果专营店有限公司茶叶土特产批发零售"
TRADITIONAL = "臺北市中正區重慶南路一段鮮果專賣店有限公司茶葉電器網路商店經營範圍銷售"


def read(text: str, layout: Layout | None = None) -> list[Record]:
    return list(records(io.BytesIO(text.encode()), layout or Layout("utf-8")))


def codes(text: str, mapping: list[str | None] | None = None) -> list[str]:
    """`ok` or the code of each record behind the header."""
    said = read_rows(read(text)[1:], mapping or COLUMNS)
    return [row.finding.code if isinstance(row, BadRowError) else "ok" for row in said]


def refused(record: Record) -> Finding:
    (row,) = read_rows([record], COLUMNS)
    assert isinstance(row, BadRowError)
    return row.finding


def taken(record: Record, mapping: list[str | None] | None = None) -> dict[str, str | None]:
    (row,) = read_rows([record], mapping or COLUMNS)
    assert isinstance(row, Row)
    return row.values


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le", "utf-16-be"])
def test_simplified_text_in_every_encoding(codec: str) -> None:
    data = io.BytesIO(f"{HEADER}\n1,南昌县莲塘茶行有限公司,,,,{SIMPLIFIED},,,\n".encode(codec))
    guess = guess_encoding(data)
    assert guess is not None and guess.sure and data.tell() == 0
    (_, row) = records(data, Layout(guess.codec))
    assert row.cells[1] == "南昌县莲塘茶行有限公司"


@given(st.lists(st.sampled_from(sorted(_first_level("gb18030"))), min_size=40, max_size=80, unique=True))
def test_gb18030_is_never_surely_big5(letters: list[str]) -> None:
    guess = guess_encoding(io.BytesIO(f"id,name\n1,{''.join(letters)}\n".encode("gb18030")))
    assert guess is not None and (guess.codec == "gb18030" or not guess.sure)


@given(st.lists(st.sampled_from(sorted(_first_level("big5hkscs"))), min_size=40, max_size=80, unique=True))
def test_big5_is_never_surely_gb18030(letters: list[str]) -> None:
    guess = guess_encoding(io.BytesIO(f"id,name\n1,{''.join(letters)}\n".encode("big5hkscs")))
    assert guess is not None and (guess.codec == "big5hkscs" or not guess.sure)


@pytest.mark.parametrize(("text", "codec"), [(SIMPLIFIED, "gb18030"), (TRADITIONAL, "big5hkscs")])
def test_ordinary_text_is_told_for_sure(text: str, codec: str) -> None:
    guess = guess_encoding(io.BytesIO(f"id,name\n1,{text}\n".encode(codec)))
    assert guess is not None and guess.codec == codec and guess.sure


@pytest.mark.parametrize("text", ["店", "臺北", "a店b"])
def test_little_text_is_never_sure(text: str) -> None:
    guess = guess_encoding(io.BytesIO(f"id,name\n1,{text}\n".encode("gb18030")))
    assert guess is not None and not guess.sure


def test_numbers_first_and_chinese_late() -> None:
    body = "".join(f"{i},shop{i}\n" for i in range(20_000)) + f"99999,{SIMPLIFIED}\n"
    guess = guess_encoding(io.BytesIO(body.encode("gb18030")))
    assert guess is not None and (guess.codec, guess.sure) == ("gb18030", True)


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n\xff\xff\x81",
        b"%PDF-1.7\x00\x01\x02\x03\xe2\xe3\xcf\xd3" * 9,
        f"{HEADER}\n1,好店\n".encode("utf-32"),
    ],
)
def test_what_is_no_text(data: bytes) -> None:
    assert guess_encoding(io.BytesIO(data)) is None


def test_control_characters_in_a_short_list_cost_their_row() -> None:
    data = f"{HEADER}\n1,好\0店,138\00013800138,,,,,,\n2,好店,,,,,,,\n".encode()
    assert guess_encoding(io.BytesIO(data)) is not None
    rows = list(records(io.BytesIO(data), Layout("utf-8")))
    assert refused(rows[1]).code == "cell.nul"
    assert taken(rows[2])["name"] == "好店"


def test_one_broken_byte_costs_one_row() -> None:
    data = f"{HEADER}\n1,{SIMPLIFIED},,,,,,,\n2,好店,,,,,,,\n".encode().replace("江".encode(), b"\xe6\xb1", 1)
    guess = guess_encoding(io.BytesIO(data + f"3,{SIMPLIFIED * 3},,,,,,,\n".encode()))
    assert guess is not None and guess.codec == "utf-8"
    rows = list(records(io.BytesIO(data), Layout("utf-8")))
    assert refused(rows[1]).code == "cell.encoding"
    assert taken(rows[2])["name"] == "好店"


@pytest.mark.parametrize("mark", [",", "\t", ";", "|", "，"])
def test_separators(mark: str) -> None:
    text = mark.join(["id", "name", "phone"]) + "\n" + "".join(f"{i}{mark}店{i}{mark}\n" for i in range(5))
    assert guess_delimiter(io.BytesIO(text.encode()), "utf-8") == mark


def test_the_header_below_a_title() -> None:
    found = read("南昌市网店名录,,\n\n编号,店铺名称,平台\n1,茶行,淘宝\n")
    assert guess_header(found, [named_fields(r.cells) for r in found]) == 3
    plain = read("1,茶行,淘宝\n2,果业,京东\n")
    assert guess_header(plain, [named_fields(r.cells) for r in plain]) == 0


def test_each_odd_record_costs_itself() -> None:
    good = "1,茶行,13807911234,,,,,,淘宝"
    odd = ["2,,,,,,,,", "3,a,b", "4,含\0空,,,,,,,", f"5,{'长' * 3_500_000},,,,,,,", '6,"引"号,,,,,,,']
    text = "\n".join([HEADER, good, *odd, "", ",,,,,,,,", '7,"多行\n名称",,,,,,,', good]) + "\n"
    assert codes(text) == [
        "ok", "cell.missing", "row.columns", "cell.nul", "cell.too_long", "row.quote", "ok", "ok"
    ]  # fmt: skip
    assert [record.number for record in read(text)][-3:] == [7, 10, 11]


def test_a_line_beyond_the_limit_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "READER_LIMIT", 1_000)
    assert codes(f"{HEADER}\n1,{'长' * 5_000},,,,,,,\n2,店,,,,,,,\n") == ["row.too_long", "ok"]


def test_an_unclosed_quote_names_how_many_lines_it_cost() -> None:
    *_, last = read(f'{HEADER}\n1,店,,,,,,,\n2,"未收尾,,,,,,,\n3,店,,,,,,,\n4,店,,,,,,,\n')
    finding = refused(last)
    assert finding.code == "row.quote" and "3行" in finding.zh


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=300))
def test_any_text_is_rows_or_stated_refusals(text: str) -> None:
    for code in codes(f"{HEADER}\n{text}"):
        assert code == "ok" or "." in code


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    guess = guess_encoding(io.BytesIO(data))
    if guess is not None:
        list(islice(records(io.BytesIO(data), Layout(guess.codec)), 50))


def test_going_on_behind_a_record() -> None:
    text = "".join(f"{i},店{i}\n" for i in range(10))
    rest = list(records(io.BytesIO(text.encode()), Layout("utf-8"), after=7))
    assert [(record.number, record.cells[0]) for record in rest] == [(8, "7"), (9, "8"), (10, "9")]


def test_headers_in_two_languages_and_a_weak_one() -> None:
    headers = ["序号", "Shop ID", "网店（网站）名称*", "联系电话(必填)", "固定电话", "信用代码", "备注"]
    assert suggest(headers, [], {}) == [None, "id", "name", "phone", "phone", "licence", None]
    assert suggest(["序号", "店名"], [], {}) == ["id", "name"]


def test_values_tell_where_headers_do_not() -> None:
    samples = [["13807911234", "91330106673959654P", "茶"], ["13907911234", "91330106673959654P", "果"]] * 2
    assert suggest(["甲", "乙", "丙"], samples, {}) == ["phone", "licence", None]


def test_what_was_chosen_goes_before_what_is_guessed() -> None:
    remembered = to_remember(["编号", "名称", "电话"], [None, "name", "id"])
    assert suggest(["编号", "名称", "电话"], [], remembered) == [None, "name", "id"]


@pytest.mark.parametrize(
    ("mapping", "code"),
    [
        (["id", "name", None], None),
        (["id", None], "import.name_missing"),
        (["name", "name"], "import.field_doubled"),
        (["name", "phone", "phone"], None),
        (["name", "nonsense"], "import.field_unknown"),
    ],
)
def test_choices_that_cannot_be_imported(mapping: list[str | None], code: str | None) -> None:
    fault = mapping_fault(mapping)
    assert (fault[0] if fault else None) == code


def test_two_telephone_columns_are_one_value() -> None:
    two = Record(2, 1, ["茶行", "13807911234", "0791-86251234"])
    assert taken(two, ["name", "phone", "phone"])["phone"] == "13807911234、0791-86251234"


def test_every_header_means_one_field() -> None:
    named = [h for field in FIELDS.values() for h in field.headers]
    assert len(named) == len(set(named))


def test_values_are_masked_where_they_are_personal() -> None:
    assert shown_value("phone", "13807911234") == "138****1234"
    assert shown_value("licence", "91330106673959654P") == "91330106673959654P"


def test_a_workbook_becomes_text_with_its_row_numbers() -> None:
    data = workbook([["名称", "电话"], [""], ["店,一", 13807911234], ["店二", 913301066739596541]])
    out: list[bytes] = []
    assert workbooks.as_text(data, workbooks.sheets(data)[0], out.append) == 4
    rows = list(records(io.BytesIO(b"".join(out)), Layout("utf-8")))
    assert [(r.number, r.cells) for r in rows] == [
        (1, ["名称", "电话"]),
        (3, ["店,一", "13807911234"]),
        (4, ["店二", "9.13301066739597E+17"]),
    ]


def test_a_workbook_that_unfolds_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbooks, "MAX_UNFOLDED", 100)
    with pytest.raises(workbooks.WorkbookError, match="unfolds"):
        workbooks.sheets(workbook([["店"]]))
    with pytest.raises(workbooks.WorkbookError, match="unreadable"):
        workbooks.sheets(b"PK\x03\x04nothing")


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KeptFiles:
    monkeypatch.setattr(kept, "_BLOCK", 1_000)
    return KeptFiles(tmp_path / "imports", PersonalData(KeyRing({1: b"k" * 32}, 1, b"i" * 32)))


@given(st.integers(0, 3_500))
def test_kept_files_come_back_whole(size: int) -> None:
    personal = PersonalData(KeyRing({1: b"k" * 32}, 1, b"i" * 32))
    out, data = io.BytesIO(), bytes(i % 251 for i in range(size))
    sealing = kept._Sealing(out, personal, "a")
    sealing.take(data)
    sealing.end()
    assert io.BufferedReader(kept._Opening(out, personal, "a")).read() == data


def test_a_kept_file_that_was_touched_does_not_open(files: KeptFiles) -> None:
    files.write("A", "original", lambda take: take(b"x" * 2_500))
    whole = files.path("A", "original").read_bytes()
    block = 4 + 1_000 + 3 + 12 + 16
    touched = {
        "a byte": whole[:50] + bytes([whole[50] ^ 1]) + whole[51:],
        "cut off": whole[: 2 * block],
        "two exchanged": whole[block : 2 * block] + whole[:block] + whole[2 * block :],
        "one left out": whole[:block] + whole[2 * block :],
    }
    for what, data in touched.items():
        files.path("A", "original").write_bytes(data)
        with pytest.raises(PersonalDataError), files.open("A", "original") as file:
            pytest.fail(f"{what}: {len(file.read())}")
    files.path("B", "original").write_bytes(whole)
    with pytest.raises(PersonalDataError), files.open("B", "original") as file:
        file.read()
