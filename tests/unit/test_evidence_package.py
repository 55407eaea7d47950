"""The package's byte layout: readable by everyone's ZIP, the same bytes every time, seekable from parts."""

import io
import random
import subprocess
import sys
import zipfile
from contextlib import closing

import pytest

from services.evidence.package.layout import (
    LIMIT_BYTES,
    Member,
    PackageTooLargeError,
    arrange,
    dump_layout,
    load_layout,
)
from services.evidence.package.reader import PackageReader
from services.evidence.package.transfer import blocks
from tests.evidence_samples import Signers, make_package, make_parts, sample_artefacts


@pytest.fixture(scope="module")
def signers() -> Signers:
    return Signers()


def test_pythons_zip_reads_every_member(signers):
    artefacts = sample_artefacts()
    with zipfile.ZipFile(io.BytesIO(make_package(signers, artefacts))) as package:
        assert package.testzip() is None
        for path, data in artefacts.items():
            assert package.read(path) == data
        assert all(item.compress_type == zipfile.ZIP_STORED for item in package.infolist())
        assert package.namelist()[-2:] == ["datapackage.json", "datapackage-digest.json"]


def test_layout_survives_storing_and_reads_like_one_file(signers):
    parts = make_parts(signers)
    whole = b"".join(part.data or b"" for part in parts)
    objects = {}
    mixed = []
    for part in parts:
        for at in range(0, part.size, 700):
            piece = (part.data or b"")[at : at + 700]
            mixed.append(Member(f"o{len(objects)}", len(piece), 0, f"{len(objects):064x}"))
            objects[mixed[-1].sha256] = piece
    from services.evidence.package.layout import Part

    split = [
        Part(m.size, sha256=m.sha256) if n % 2 else Part(m.size, data=objects[m.sha256])
        for n, m in enumerate(mixed)
    ]
    stored = load_layout(dump_layout(split))
    assert stored == split
    opener = lambda sha256: io.BytesIO(objects[sha256])  # noqa: E731
    assert b"".join(blocks(stored, opener)) == whole
    rng = random.Random(1)
    with closing(PackageReader(stored, opener)) as reader:
        for _ in range(300):
            start, count = rng.randrange(len(whole) + 10), rng.randrange(3000)
            reader.seek(start)
            assert reader.read(count) == whole[start : start + count]
        assert reader.seek(-5, 2) == len(whole) - 5
        assert reader.read() == whole[-5:]


def test_a_package_of_four_gibibytes_is_refused():
    big = Member("archive/data.warc.gz", LIMIT_BYTES, 0, "0" * 64)
    with pytest.raises(PackageTooLargeError):
        arrange([big, Member("evidence/x.bin", 10, 0, "1" * 64)])


@pytest.mark.parametrize("kind", ["full", "failed early"])
def test_wacz_validate_accepts_it(signers, tmp_path, kind):
    """Oracle: py-wacz. A capture that failed early has a WARC with its warcinfo and a pages header only."""
    artefacts = sample_artefacts()
    if kind != "full":
        header = artefacts["pages/pages.jsonl"].split(b"\n")[0] + b"\n"
        artefacts = {
            "archive/data.warc.gz": artefacts["archive/data.warc.gz"][:0] + _warcinfo(),
            "indexes/index.cdxj": b"",
            "pages/pages.jsonl": header,
            "evidence/steps.jsonl": artefacts["evidence/steps.jsonl"],
        }
    file = tmp_path / "p.wacz"
    file.write_bytes(make_package(signers, artefacts))
    run = subprocess.run(
        [sys.executable, "-c", "from wacz.main import main; main()", "validate", "-f", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "the passed WACZ is valid" in run.stdout, run.stdout + run.stderr


def _warcinfo() -> bytes:
    from warcio.warcwriter import WARCWriter

    buffer = io.BytesIO()
    writer = WARCWriter(buffer, gzip=True, warc_version="1.1")
    writer.write_record(writer.create_warcinfo_record("data.warc.gz", {"software": "test"}))
    return buffer.getvalue()
