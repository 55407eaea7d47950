"""The clock: chrony (a program of ours on PATH), NTP (a responder of ours), honesty where there is none."""

import socket
import struct
import threading
import time
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common import clock_ntp, clock_state
from services.common.clock_state import (
    ClockWatch,
    refuse_stepped_clock,
    refuse_wrong_clock,
    worst_offset_ms,
)
from services.common.problems import Problem

NTP_EPOCH = 2_208_988_800
TRACKING = "C0A80001,time.example,3,1732176000.1,{offset},0.0001,0.0002,1.5,0.0,0.1,0.020,0.005,64.2,{leap}"


def ntp(when: float) -> bytes:
    whole = int(when)
    return struct.pack("!II", whole + NTP_EPOCH, int((when - whole) * (1 << 32)))


@contextmanager
def responder(offset: float = 0.0, *, stratum=2, leap=0, mode=4, dispersion=0.01, lie=False, silent=False):
    """An NTP server (RFC 5905 §7.3) whose clock is `offset` seconds ahead; gives its `host:port`."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    sock.settimeout(0.1)
    ending = threading.Event()

    def serve() -> None:
        while not ending.is_set():
            try:
                asked, where = sock.recvfrom(512)
            except TimeoutError:
                continue
            if silent:
                continue
            now = time.time() + offset
            origin = ntp(time.time() - 90) if lie else asked[40:48]
            head = struct.pack("!BBbb", leap << 6 | 4 << 3 | mode, stratum, 6, -20) + struct.pack(
                "!II4s", int(0.02 * 65536), int(dispersion * 65536), b"TEST"
            )
            sock.sendto(head + ntp(now - 5) + origin + ntp(now) + ntp(now), where)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"127.0.0.1:{sock.getsockname()[1]}"
    finally:
        ending.set()
        thread.join()
        sock.close()


def test_offset_of_agreeing_servers_is_their_median_with_what_each_said():
    with responder(0.2) as one, responder(0.21) as two, responder(0.3) as three:
        found = clock_ntp.measure([one, two, three], timeout=0.5)
    assert found["state"] == "synchronised"
    assert found["offset_ms"] == pytest.approx(210, abs=40)
    assert found["source"] == f"ntp:{one},{two},{three}"
    assert found["dispersion_ms"] == pytest.approx(10, abs=1)
    assert found["root_delay_ms"] == pytest.approx(20, abs=1)
    assert (found["stratum"], found["leap"]) == (2, 0)
    assert [row["server"] for row in found["servers"]] == [one, two, three]


def test_one_false_server_among_three_does_not_count():
    with responder(0.0) as one, responder(3600.0) as false, responder(0.01) as three:
        found = clock_ntp.measure([one, false, three], timeout=0.5)
    assert found["state"] == "synchronised"
    assert abs(found["offset_ms"]) < 100
    assert false not in found["source"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"leap": 3}, "not synchronised"),
        ({"stratum": 0}, "not synchronised"),
        ({"stratum": 16}, "not synchronised"),
        ({"mode": 3}, "not of a server"),
        ({"dispersion": 2.0}, "too far"),
        ({"lie": True}, "not an answer to this question"),
        ({"silent": True}, "No response"),
    ],
)
def test_servers_that_are_no_reference_do_not_count(change, why):
    with responder(5.0, **change) as server:
        found = clock_ntp.measure([server], timeout=0.3)
    assert (found["state"], found["offset_ms"]) == ("unsynchronised", None)
    assert why in found["servers"][0]["error"]


def test_without_a_majority_nothing_is_claimed():
    with responder(0.0) as one, responder(silent=True) as two:
        assert clock_ntp.measure([one, two], timeout=0.3)["state"] == "unsynchronised"
    with responder(0.0) as one, responder(100.0) as two:
        assert clock_ntp.measure([one, two], timeout=0.3)["offset_ms"] is None


def test_a_silent_server_takes_one_timeout_however_many_there_are():
    with responder(silent=True) as one, responder(silent=True) as two, responder(silent=True) as three:
        began = time.monotonic()
        clock_ntp.measure([one, two, three], timeout=0.3)
        assert time.monotonic() - began < 0.8


def test_unknown_hosts_are_said_not_raised():
    assert "error" in clock_ntp.ask("127.0.0.1:1", timeout=0.2).row()
    assert clock_ntp.split("a.example") == ("a.example", 123)
    assert clock_ntp.split("a.example:1123") == ("a.example", 1123)
    assert clock_ntp.split("[2001:db8::1]:99") == ("2001:db8::1", 99)
    assert clock_ntp.split("2001:db8::1") == ("2001:db8::1", 123)


@pytest.fixture
def chronyc(tmp_path, monkeypatch):
    """Puts a `chronyc` of ours on PATH that prints a line or fails."""

    def make(line: str | None) -> None:
        program = tmp_path / "chronyc"
        body = f"echo '{line}'" if line else "echo '506 Cannot talk to daemon' >&2; exit 1"
        program.write_text(f'#!/bin/sh\n[ "$*" = "-c tracking" ] || exit 9\n{body}\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    return make


def test_chrony_is_read(chronyc):
    chronyc(TRACKING.format(offset="-0.000123456", leap="Normal"))
    found = clock_state.clock_state()
    found.pop("measured_at")
    assert found == {
        "source": "chrony:time.example",
        "state": "synchronised",
        "offset_ms": -0.123,
        "dispersion_ms": 5.0,
        "root_delay_ms": 20.0,
        "stratum": 3,
        "leap": 0,
    }


def test_chrony_that_is_not_synchronised_is_not_believed(chronyc):
    chronyc(TRACKING.format(offset="0.000000000", leap="Not synchronised"))
    found = clock_state.clock_state()
    assert (found["source"], found["state"], found["offset_ms"]) == ("chrony", "unsynchronised", None)
    with responder(0.05) as server:
        found = clock_state.clock_state([server])
    assert found["source"].startswith("ntp:")


@pytest.mark.parametrize(
    "line", [None, "", "506 Cannot talk to daemon", "a,b,c", TRACKING.format(offset="x", leap="Normal")]
)
def test_chrony_without_an_answer_falls_back_to_the_kernel(chronyc, line):
    chronyc(line)
    found = clock_state.clock_state()
    assert found["source"] == "kernel"
    assert found["state"] in ("synchronised", "unsynchronised")
    assert (found["offset_ms"] is None) == (found["state"] == "unsynchronised")


def test_ntp_is_a_second_opinion_beside_chrony(chronyc):
    """Chrony content, the servers an hour away: the capture is refused all the same."""
    chronyc(TRACKING.format(offset="0.0001", leap="Normal"))
    with responder(3600.0) as server:
        found = clock_state.clock_state([server])
    assert found["source"] == "chrony:time.example"
    assert found["ntp"]["offset_ms"] > 3_500_000
    with pytest.raises(Problem, match="clock_wrong"):
        refuse_wrong_clock(found, 1000.0)


@given(st.one_of(st.none(), st.floats(-1e7, 1e7)), st.one_of(st.none(), st.floats(-1e7, 1e7)))
def test_refused_beyond_the_limit_and_only_then(main, second):
    clock = {"offset_ms": main, "ntp": {"offset_ms": second}}
    known = [abs(value) for value in (main, second) if value is not None]
    if any(value > 1000 for value in known):
        with pytest.raises(Problem) as found:
            refuse_wrong_clock(clock, 1000.0)
        assert found.value.status == 503
        assert found.value.todo_zh
    else:
        refuse_wrong_clock(clock, 1000.0)
        assert worst_offset_ms(clock) == max(known, default=None)


def test_unsynchronised_is_recorded_not_refused():
    clock = {"source": "kernel", "state": "unsynchronised", "offset_ms": None}
    refuse_wrong_clock(clock, 1000.0)
    assert worst_offset_ms(clock) is None


@pytest.mark.parametrize("seconds", [86_400.0, -86_400.0, 1.5, -1.5])
def test_a_clock_that_is_set_during_a_capture_is_noticed(monkeypatch, seconds):
    watch = ClockWatch.begin()
    assert abs(watch.step_ms()) < 50
    refuse_stepped_clock(watch.step_ms(), 1000.0)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + seconds)
    assert watch.step_ms() == pytest.approx(seconds * 1000, abs=50)
    with pytest.raises(Problem, match="clock_stepped"):
        refuse_stepped_clock(watch.step_ms(), 1000.0)
    # Control: with the limit off the step would pass unnoticed.
    refuse_stepped_clock(watch.step_ms(), float("inf"))


@pytest.fixture
def capture_settings(monkeypatch, chronyc):
    """The capture worker's settings with these NTP servers, no chrony."""
    from services.crawler.settings import get_crawler_settings

    def make(servers: str) -> None:
        chronyc(None)
        monkeypatch.setenv("WANGJIAN_NTP_SERVERS", servers)
        get_crawler_settings.cache_clear()

    yield make
    monkeypatch.undo()
    get_crawler_settings.cache_clear()


async def test_captures_are_refused_while_the_clock_is_wrong_and_taken_when_it_is_not(capture_settings):
    from services.crawler.recording import clock

    with responder(1.5) as wrong, responder(0.2) as right:
        capture_settings(wrong)
        with pytest.raises(Problem, match="clock_wrong"):
            await clock.CaptureClock().measured()
        capture_settings(right)
        found = await clock.CaptureClock().measured()
    assert found["state"] == "synchronised"
    assert found["offset_ms"] == pytest.approx(200, abs=60)


async def test_a_measurement_is_shared_for_half_a_minute(capture_settings, monkeypatch):
    from services.crawler.recording import clock

    capture_settings("")
    asked = []
    monkeypatch.setattr(clock, "clock_state", lambda servers: asked.append(servers) or {"offset_ms": None})
    own = clock.CaptureClock()
    for _ in range(3):
        await own.measured()
    assert asked == [[]]
    monkeypatch.setattr(clock, "_FRESH_SECONDS", -1.0)
    await own.measured()
    assert len(asked) == 2
