"""Handing a package over: the answer is heard even when it comes early; a broken connection is named so."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.evidence.package.upload import Upload, UploadFailedError

SIZE = 20_000_000


def _blocks() -> Iterator[bytes]:
    for _ in range(20):
        yield bytes(1_000_000)


def _serve(path: Path, answer: Callable[[socket.socket], None]) -> threading.Thread:
    """One connection, answered in a thread."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(1)

    def run() -> None:
        with listener, listener.accept()[0] as connection:
            answer(connection)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def _read(connection: socket.socket, until: int | None = None) -> int:
    """Bytes of the chunked body that came: at least `until`, or all of it."""
    with connection.makefile("rb") as file:
        assert file.readline() == b"PUT /v1/packages/X HTTP/1.1\r\n"
        headers = iter(file.readline, b"\r\n")
        assert b"transfer-encoding: chunked\r\n" in {line.lower() for line in headers}
        seen = 0
        while (until is None or seen < until) and (size := int(file.readline(), 16)):
            seen += len(file.read(size))
            assert file.readline() == b"\r\n"
        return seen


def _say(connection: socket.socket, status: str, body: bytes) -> None:
    connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)


def test_the_whole_body_arrives_and_the_answer_comes_back(tmp_path):
    def answer(connection: socket.socket) -> None:
        assert _read(connection) == SIZE
        _say(connection, "200 OK", b"receipt")

    serving = _serve(tmp_path / "s", answer)
    assert Upload(f"unix:{tmp_path / 's'}", "/v1/packages/X").run(_blocks()) == (200, b"receipt")
    serving.join(10)


def test_a_refusal_before_the_last_byte_is_heard(tmp_path):
    def answer(connection: socket.socket) -> None:
        _read(connection, 1)
        connection.shutdown(socket.SHUT_RD)
        _say(connection, "507 Full", b"full")

    serving = _serve(tmp_path / "s", answer)
    assert Upload(f"unix:{tmp_path / 's'}", "/v1/packages/X").run(_blocks()) == (507, b"full")
    serving.join(10)


def test_a_connection_that_breaks_without_an_answer_failed(tmp_path):
    serving = _serve(tmp_path / "s", lambda connection: connection.close())
    with pytest.raises(UploadFailedError):
        Upload(f"unix:{tmp_path / 's'}", "/v1/packages/X").run(_blocks())
    serving.join(10)


def test_nobody_there_is_a_failed_upload_not_a_missing_file(tmp_path):
    with pytest.raises(UploadFailedError):
        Upload(f"unix:{tmp_path / 'nobody'}", "/v1/packages/X").run(_blocks())


def test_what_reading_the_package_raises_is_passed_on(tmp_path):
    def damaged() -> Iterator[bytes]:
        yield bytes(1000)
        raise FileNotFoundError("object")

    serving = _serve(tmp_path / "s", lambda connection: _read(connection, 1000) and None)
    with pytest.raises(FileNotFoundError, match="object"):
        Upload(f"unix:{tmp_path / 's'}", "/v1/packages/X").run(damaged())
    serving.join(10)
