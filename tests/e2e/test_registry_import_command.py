"""`wangjian registry import` against the running platform."""

import json
from pathlib import Path

import pytest

from tests.registry_lists import HEADER, workbook
from tests.stack import Stack

pytestmark = pytest.mark.stack


def test_a_list_is_tried_then_taken_in_then_unchanged(stack: Stack, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    rows = [f"cmd-{i},命令行店{i},1380791{i:04d},,,江西省南昌市,,,淘宝" for i in range(30)]
    file.write_text("\n".join([HEADER, *rows, ",无编号,,,,,,,"]), encoding="gb18030")
    tried = stack.command("registry", "import", str(file), "--source", "cli", "--dry-run", "--json")
    assert tried.returncode == 1, tried.stderr
    assert json.loads(tried.stdout)["created"] == 30
    done = stack.command("registry", "import", str(file), "--source", "cli")
    assert done.returncode == 1 and "新增 created 30" in done.stdout, done.stderr
    assert "第32行" in done.stderr and "13807910001" not in done.stdout + done.stderr
    book = tmp_path / "list.xlsx"
    book.write_bytes(workbook([HEADER.split(","), *[row.split(",") for row in rows]]))
    again = stack.command("registry", "import", str(book), "--source", "cli", "--json")
    told = json.loads(again.stdout)
    assert again.returncode == 0 and (told["unchanged"], told["created"]) == (30, 0)


def test_a_guessed_encoding_is_said(stack: Stack, tmp_path: Path) -> None:
    file = tmp_path / "short.csv"
    file.write_bytes("id,name\n1,臺北\n".encode("big5"))
    done = stack.command("registry", "import", str(file), "--source", "cli-guessed")
    assert done.returncode == 0 and "编码 encoding" in done.stdout, done.stderr
    assert "编码是推断的" in done.stderr
    file.write_text("id,name\n1,臺北\n", encoding="utf-8")
    sure = stack.command("registry", "import", str(file), "--source", "cli-sure")
    assert "编码 encoding utf-8" in sure.stdout and not sure.stderr


def test_what_is_no_list_is_one_line_and_exit_code_two(stack: Stack, tmp_path: Path) -> None:
    picture = tmp_path / "picture.csv"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00\xff\xff\x81")
    for file in (picture, tmp_path / "none.csv"):
        done = stack.command("registry", "import", str(file))
        assert (done.returncode, done.stdout) == (2, "")
        assert len(done.stderr.strip().splitlines()) == 1 and done.stderr.startswith("wangjian: ")
