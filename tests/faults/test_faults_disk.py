"""A disk that fills up under the whole platform: refused clearly, and work goes on once there is space."""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.faults.kill import Outcome, all_evidence, client, listing_urls, wait_for_ends
from tests.faults.test_faults_kill import check
from tests.stack import Stack, free_port_pair, start, stop

SIZE_MB = 900


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of its own, small enough to fill."""
    folder = Path(tempfile.mkdtemp(prefix="wj-disk-"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        folder.rmdir()
        pytest.skip("needs the right to mount a small file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)
    folder.rmdir()


def fill(folder: Path) -> Path:
    """Take all the space there is."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                os.write(file.fileno(), bytes(1 << 20))
        except OSError:
            return filler


@pytest.mark.slow
@pytest.mark.stack
@pytest.mark.timeout(600)
def test_a_full_disk_is_refused_and_work_resumes(small_disk: Path) -> None:
    stack: Stack = start(small_disk / "home", free_port_pair())
    try:
        with client(stack) as http:
            before = set(all_evidence(http))
            urls = listing_urls(stack, 6)
            ids = [http.post("/captures", json={"url": url}).json()["id"] for url in urls[:3]]
            time.sleep(2)
            filler = fill(small_disk)
            refusals = []
            for url in urls[3:]:
                answer: httpx.Response = http.post("/captures", json={"url": url})
                if answer.status_code == 202:
                    ids.append(answer.json()["id"])
                else:
                    refusals.append((answer.status_code, answer.json()["code"]))
            assert set(refusals) <= {(507, "storage.full"), (503, "storage.unavailable")}
            time.sleep(15)
            filler.unlink()
            captures = wait_for_ends(http, ids, patience=150)
            assert {row["state"] for row in captures.values()} == {"sealed"}
            made = {key: item for key, item in all_evidence(http).items() if key not in before}
            check(stack, Outcome(captures, made))
    finally:
        stop(stack)
