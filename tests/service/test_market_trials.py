"""The misbehaving pages of the demo market misbehave as told, over a real socket."""

import asyncio
import re
import ssl
import sys
import time

import httpx
import pytest


@pytest.fixture(scope="module")
async def market(tmp_path_factory):
    tls = tmp_path_factory.mktemp("market") / "tls"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "infra.demo_market",
        "--port",
        "0",
        "--tls-port",
        "0",
        "--tls-dir",
        str(tls),
        stdout=asyncio.subprocess.PIPE,
    )
    lines = [(await process.stdout.readline()).decode() for _ in range(2)]
    ports = [int(re.search(r":(\d+)$", line.strip()).group(1)) for line in lines]
    yield {"port": ports[0], "tls_port": ports[1], "tls": tls, "process": process}
    process.terminate()
    assert await asyncio.wait_for(process.wait(), 10) == 0


@pytest.fixture
def base(market):
    return f"http://127.0.0.1:{market['port']}"


async def test_market_trials_answer_as_told(base):
    async with httpx.AsyncClient(base_url=base) as client:
        assert (await client.get("/trials/status/500")).status_code == 500
        assert (await client.get("/trials/status/404")).status_code == 404
        chain = await client.get("/trials/redirect?n=5", follow_redirects=True)
        assert chain.status_code == 200
        assert len(chain.history) == 5
        assert {answer.status_code for answer in chain.history} <= {301, 302, 303, 307}
        with pytest.raises(httpx.TooManyRedirects):
            await client.get("/trials/loop", follow_redirects=True)
        assert "attachment" in (await client.get("/trials/download")).headers["content-disposition"]
        started = time.monotonic()
        assert (await client.get("/trials/slow?seconds=1")).status_code == 200
        assert time.monotonic() - started >= 1
        assert "height:60000px" in (await client.get("/trials/tall?px=60000")).text
        assert "169.254.169.254" in (await client.get("/trials/private")).text
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get("/trials/truncated")
        # nonsense in the query falls back to the default instead of failing
        assert (await client.get("/trials/redirect?n=-9e99")).status_code in {301, 302, 303, 307}


async def test_market_huge_body_is_streamed(base, market):
    got = 0
    async with (
        httpx.AsyncClient(base_url=base) as client,
        client.stream("GET", "/trials/huge?mib=96") as answer,
    ):
        assert "content-length" not in answer.headers
        async for part in answer.aiter_raw():
            got += len(part)
    assert got > 96 * 2**20
    with open(f"/proc/{market['process'].pid}/status") as status:  # noqa: ASYNC230, PTH123
        peak = int(re.search(r"VmHWM:\s+(\d+) kB", status.read()).group(1))
    assert peak < 160 * 1024


async def test_market_tls_chain_verifies_with_its_own_authority(market):
    trusted = ssl.create_default_context(cafile=str(market["tls"] / "ca.pem"))
    async with httpx.AsyncClient(verify=trusted) as client:
        answer = await client.get(f"https://127.0.0.1:{market['tls_port']}/")
        assert answer.status_code == 200
    async with httpx.AsyncClient() as stranger:
        with pytest.raises(httpx.ConnectError):
            await stranger.get(f"https://127.0.0.1:{market['tls_port']}/")


@pytest.mark.parametrize("words", [["--host", "0.0.0.0"], ["--tls-port", "0"], ["--host", "example.com"]])  # noqa: S104
async def test_market_refuses_to_leave_loopback(words):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "infra.demo_market", "--port", "0", *words, stderr=asyncio.subprocess.PIPE
    )
    _, error = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 2
    assert b"demo_market" in error
