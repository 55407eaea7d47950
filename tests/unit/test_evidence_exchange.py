"""Exchanges with a custodian over bare connections: answers are heard, broken connections are named so."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.evidence.exchange import BrokenOffError, Exchanges

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def peer(folder: Path, serve: Serve) -> AsyncIterator[Exchanges]:
    """A custodian that treats each connection so, and exchanges with it."""

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        finally:
            writer.close()

    exchanges = Exchanges(f"unix:{folder / 's'}")
    async with await asyncio.start_unix_server(one, str(folder / "s")):
        yield exchanges
        exchanges.close()


async def asked(reader: asyncio.StreamReader) -> bytes:
    """A request with a Content-Length: its first line and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.split(b"\r\n") if line.startswith(b"content-length: "))
    return head.partition(b"\r\n")[0] + b" " + await reader.readexactly(int(length[16:]))


def answer(status: str, body: bytes) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def pieces(*given: bytes) -> AsyncIterator[bytes]:
    for piece in given:
        yield piece


async def test_calls_share_a_connection(tmp_path):
    connections = 0

    async def serve(reader, writer):
        nonlocal connections
        connections += 1
        for status in ("200 OK", "409 Conflict", "200 OK"):
            writer.write(answer(status, await asked(reader)))

    async with peer(tmp_path, serve) as exchanges:
        found = [await exchanges.call("POST", "/v1/x", body, 5) for body in (b"a", b"", b"c")]
    assert found == [(200, b"POST /v1/x HTTP/1.1 a"), (409, b"POST /v1/x HTTP/1.1 "), (200, found[2][1])]
    assert connections == 1


async def test_a_custodian_behind_a_path_on_tcp():
    seen = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        seen.append(head)
        writer.write(answer("200 OK", b""))
        await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        place = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        exchanges = Exchanges(f"http://{place}/clients/nanchang/")
        assert await exchanges.put("/v1/packages/X", pieces(), 5) == (200, b"")
        assert await exchanges.call("POST", "/v1/x", b"", 5) == (200, b"")
        exchanges.close()
    assert [head.split(b" ")[1] for head in seen] == [
        b"/clients/nanchang/v1/packages/X",
        b"/clients/nanchang/v1/x",
    ]
    assert all(f"\r\nhost: {place}\r\n".encode() in head for head in seen)


async def test_a_kept_connection_that_was_closed_is_replaced(tmp_path):
    async def serve(reader, writer):
        writer.write(answer("200 OK", await asked(reader)))
        # Closed when the next request has come, so that it cannot be known before.
        await reader.read(1)

    async with peer(tmp_path, serve) as exchanges:
        for body in (b"a", b"b", b"c"):
            assert (await exchanges.call("POST", "/", body, 5))[1].endswith(body)


@pytest.mark.parametrize(
    "said", [b"", b"no HTTP at all\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx"]
)
async def test_a_connection_that_ends_without_an_answer_is_broken_off(tmp_path, said):
    async def serve(reader, writer):
        await reader.read(1)
        writer.write(said)

    async with peer(tmp_path, serve) as exchanges:
        with pytest.raises(BrokenOffError):
            await exchanges.call("POST", "/", b"a", 5)
        with pytest.raises(BrokenOffError):
            await exchanges.put("/", pieces(b"a"), 5)


async def test_nobody_there_is_broken_off_not_a_missing_file(tmp_path):
    exchanges = Exchanges(f"unix:{tmp_path / 'nobody'}")
    with pytest.raises(BrokenOffError):
        await exchanges.call("POST", "/", b"a", 5)
    with pytest.raises(BrokenOffError):
        await exchanges.put("/", pieces(b"a"), 5)


async def test_one_that_never_answers_is_given_up(tmp_path):
    async def serve(reader, writer):
        await reader.read()

    async with peer(tmp_path, serve) as exchanges:
        with pytest.raises(TimeoutError):
            await exchanges.call("POST", "/", b"a", 0.05)
        with pytest.raises(TimeoutError):
            await exchanges.put("/", pieces(b"a"), 0.05)


async def test_a_body_arrives_in_chunks_and_its_answer_is_heard(tmp_path):
    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer("200 OK", await reader.readuntil(b"0\r\n\r\n")))

    async with peer(tmp_path, serve) as exchanges:
        found = await exchanges.put("/v1/packages/X", pieces(b"first", b"", b"second!"), 5)
    assert found == (200, b"5\r\nfirst\r\n7\r\nsecond!\r\n0\r\n\r\n")


async def test_a_refusal_before_the_last_piece_is_heard(tmp_path):
    refused, given = asyncio.Event(), []

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer("507 Full", b"full"))
        await writer.drain()
        await asyncio.sleep(0.05)
        refused.set()
        await reader.read()

    async def slow() -> AsyncIterator[bytes]:
        for piece in (b"a", b"b", b"c"):
            given.append(piece)
            yield piece
            await refused.wait()

    async with peer(tmp_path, serve) as exchanges:
        assert await exchanges.put("/", slow(), 5) == (507, b"full")
    assert given == [b"a", b"b"]


async def test_a_body_whose_making_fails_never_ends(tmp_path):
    came = asyncio.get_running_loop().create_future()

    async def serve(reader, writer):
        came.set_result(await reader.read())

    async def damaged() -> AsyncIterator[bytes]:
        yield b"first"
        raise FileNotFoundError("object")

    async with peer(tmp_path, serve) as exchanges:
        with pytest.raises(FileNotFoundError, match="object"):
            await exchanges.put("/", damaged(), 5)
        assert not (await asyncio.wait_for(came, 5)).endswith(b"0\r\n\r\n")
