"""The commands' client: it waits where the platform asks to, and sends the same again."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest

from wangjian.commands._platform import PatientTransport


class _Door(BaseHTTPRequestHandler):
    """Answers as told and keeps what it was sent."""

    answers: list[tuple[int, str]]
    received: list[bytes]

    def do_POST(self) -> None:
        self.received.append(self.rfile.read(int(self.headers["content-length"])))
        status, wait = self.answers.pop(0)
        self.send_response(status)
        self.send_header("retry-after", wait)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is written on the error stream."""


@pytest.fixture
def door() -> Iterator[HTTPServer]:
    _Door.answers, _Door.received = [], []
    with HTTPServer(("127.0.0.1", 0), _Door) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def post(server: HTTPServer, file: Path) -> httpx.Response:
    with httpx.Client(transport=PatientTransport()) as client, file.open("rb") as stream:
        return client.post(f"http://127.0.0.1:{server.server_port}/", files={"file": stream})


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr("wangjian.commands._platform.time.sleep", found.append)
    return found


def test_a_refused_upload_is_sent_again_whole(
    door: HTTPServer, tmp_path: Path, waits: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "list.csv"
    file.write_bytes(b"id,name\n" * 50_000)
    _Door.answers = [(429, "7"), (429, "60"), (201, "")]
    assert post(door, file).status_code == 201
    assert waits == [7, 60]
    assert len(_Door.received) == 3 and len(set(_Door.received)) == 1
    assert file.read_bytes() in _Door.received[0]
    assert capsys.readouterr().err.count("too many requests") == 2


@pytest.mark.parametrize("answer", [(429, "61"), (429, ""), (429, "soon"), (503, "7")])
def test_what_is_no_short_wait_is_given_as_it_is(
    door: HTTPServer, tmp_path: Path, waits: list[float], answer: tuple[int, str]
) -> None:
    (tmp_path / "list.csv").write_bytes(b"x")
    _Door.answers = [answer]
    assert post(door, tmp_path / "list.csv").status_code == answer[0]
    assert not waits and len(_Door.received) == 1


def test_the_fifth_refusal_in_a_row_is_given_as_it_is(
    door: HTTPServer, tmp_path: Path, waits: list[float]
) -> None:
    (tmp_path / "list.csv").write_bytes(b"x")
    _Door.answers = [(429, "1")] * 6
    assert post(door, tmp_path / "list.csv").status_code == 429
    assert len(waits) == 4 and len(_Door.received) == 5
