"""`wangjian capture` against the running platform."""

import json
import zipfile
from pathlib import Path

import pytest

from tests.stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.browser]


def test_a_page_becomes_a_package(stack: Stack, tmp_path: Path) -> None:
    out = tmp_path / "page.wacz"
    done = stack.command("capture", f"{stack.market_url}/", "--out", str(out), "--json", "--reason", "测试")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["outcome"] == "COMPLETE" and told["evidence_no"].startswith("WJ-")
    with zipfile.ZipFile(out) as package:
        assert package.testzip() is None
        assert {"evidence/page.png", "evidence/manifest.dsse.json", "archive/data.warc.gz"} <= set(
            package.namelist()
        )
    assert [p.name for p in tmp_path.iterdir()] == ["page.wacz"]


def test_a_refused_place_is_evidence_too_and_exit_code_one(stack: Stack, tmp_path: Path) -> None:
    out = tmp_path / "refused.wacz"
    done = stack.command("capture", "http://192.168.77.1/", "--out", str(out))
    assert done.returncode == 1, done.stderr
    assert "BLOCKED" in done.stdout and "内网地址" in done.stdout and "WJ-" in done.stdout
    assert zipfile.is_zipfile(out)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://", "http://user:secret@shop.test/"])
def test_what_is_no_page_is_one_line_and_exit_code_two(stack: Stack, tmp_path: Path, url: str) -> None:
    done = stack.command("capture", url, "--out", str(tmp_path / "x.wacz"))
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.strip().splitlines()) == 1 and done.stderr.startswith("wangjian: ")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_refused_before_anything_is_ordered(stack: Stack) -> None:
    done = stack.command("capture", stack.market_url, "--out", "/no/such/folder/x.wacz")
    assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1
