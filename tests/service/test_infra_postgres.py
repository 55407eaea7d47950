"""The embedded PostgreSQL: keeps what it acknowledged, runs unprivileged, works under closed folders."""

import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import psycopg
import pytest

from infra.embedded import installation, process
from infra.embedded.folders import SOCKET_LIMIT, SOCKET_NAME
from infra.embedded.postgres import EmbeddedPostgres
from infra.embedded.privilege import POSTGRES_ID, Drop, can_reach
from infra.embedded.redis import EmbeddedRedis
from infra.embedded.refusal import Refused

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root drops privileges")


def connect(server: EmbeddedPostgres, database: str = "postgres") -> "psycopg.Connection[tuple[object, ...]]":
    return psycopg.connect(server.url(database).replace("+psycopg", ""), autocommit=True)


def identity(pid: int) -> dict[str, list[str]]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {line.split(":")[0]: line.split()[1:] for line in lines}


@pytest.fixture
def server(tmp_path: Path):
    made = EmbeddedPostgres(tmp_path / "home", tmp_path / "home" / "run")
    yield made
    made.stop()


def test_kill_nine_loses_no_acknowledged_row(server: EmbeddedPostgres) -> None:
    server.start()
    assert server.ensure_database("keep") is True
    assert server.ensure_database("keep") is False
    acknowledged: list[int] = []

    def write() -> None:
        with connect(server, "keep") as session:
            session.execute("CREATE TABLE row (n int)")
            while True:
                session.execute("INSERT INTO row VALUES (%s)", (len(acknowledged),))
                acknowledged.append(len(acknowledged))

    def writer() -> None:
        with pytest.raises(psycopg.OperationalError):
            write()

    writing = threading.Thread(target=writer)
    writing.start()
    while len(acknowledged) < 200:
        time.sleep(0.01)
    pid = server.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    writing.join(10)
    count = len(acknowledged)

    server.start()  # at once: the stale postmaster.pid and the dying backends are there
    with connect(server, "keep") as session:
        rows = session.execute("SELECT n FROM row ORDER BY n").fetchall()
    assert [row[0] for row in rows][:count] == list(range(count))
    assert len(rows) <= count + 1  # at most the one that was committed but not acknowledged


def test_data_outlives_a_stop_and_a_second_server_is_refused(server: EmbeddedPostgres) -> None:
    server.start()
    with connect(server) as session:
        session.execute("CREATE TABLE kept (n int)")
        assert session.execute("SHOW fsync").fetchone() == ("on",)
        assert session.execute("SHOW listen_addresses").fetchone() == ("",)
    with pytest.raises(Refused, match="in use by another process"):
        EmbeddedPostgres(server.home, server.home / "run").start()
    server.stop()
    server.start()
    with connect(server) as session:
        assert session.execute("SELECT count(*) FROM kept").fetchone() == (0,)


@as_root
def test_runs_as_its_own_id_with_at_most_one_capability(server: EmbeddedPostgres) -> None:
    passwd = Path("/etc/passwd").read_bytes()
    server.start()
    assert server.pid is not None
    facts = identity(server.pid)
    assert set(facts["Uid"]) == set(facts["Gid"]) == {str(POSTGRES_ID)}
    assert facts["NoNewPrivs"] == ["1"]
    assert int(facts["CapBnd"][0], 16) in (0, 1 << 2)  # CAP_DAC_READ_SEARCH is number 2
    assert server.data.stat().st_uid == POSTGRES_ID
    assert server.socket_dir.stat().st_mode & 0o777 == 0o700
    assert Path("/etc/passwd").read_bytes() == passwd


@as_root
def test_home_and_programs_below_a_closed_folder(tmp_path: Path) -> None:
    closed, home = tmp_path / "c", tmp_path / "c" / "h"  # short: a socket's path lies below
    closed.mkdir(mode=0o700)
    programs = installation.copy_installation(installation.find_installation(), closed)
    server = EmbeddedPostgres(home, home / "run", installation=programs)
    try:
        # The control: without the capability this id does reach nothing here.
        assert can_reach(Drop(POSTGRES_ID), [closed], []) is not None
        assert can_reach(Drop(POSTGRES_ID), [], [programs / "bin" / "postgres"]) is not None
        server.start()
        assert server.pid is not None
        facts = identity(server.pid)
        assert set(facts["Uid"]) == {str(POSTGRES_ID)}
        assert [int(facts[name][0], 16) for name in ("CapPrm", "CapEff", "CapBnd")] == [1 << 2] * 3
        with connect(server) as session:
            assert session.execute("SELECT 1").fetchone() == (1,)
        assert closed.stat().st_mode & 0o777 == 0o700
    finally:
        server.stop()


@as_root
def test_no_capability_granted_copies_the_programs_or_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container that refuses ambient capabilities, played by taking them out of the command line."""
    real = Drop.argv

    def without(self: Drop, command: list[str], *, death_signal: str | None = None) -> list[str]:
        return real(Drop(self.uid), command, death_signal=death_signal)

    monkeypatch.setattr(Drop, "argv", without)
    open_place = Path("/tmp") / f"wj-open-{os.getpid()}"
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    programs = installation.copy_installation(installation.find_installation(), closed)
    server = EmbeddedPostgres(open_place, open_place / "run", installation=programs)
    try:
        server.start()
        with connect(server) as session:
            assert session.execute("SELECT 1").fetchone() == (1,)
        with pytest.raises(Refused, match="set WANGJIAN_HOME to a folder it can enter"):
            EmbeddedPostgres(closed / "home", tmp_path / "run").start()
    finally:
        server.stop()
        shutil.rmtree(open_place, ignore_errors=True)


@as_root
def test_another_user_is_refused_even_with_the_door_open(server: EmbeddedPostgres) -> None:
    server.start()
    psql = installation.find_installation() / "bin" / "psql"
    probe = f"host={server.socket_dir} user=postgres dbname=postgres"
    # As the server's own id with the one capability: it reaches the socket, and peer authentication says no.
    command = Drop(POSTGRES_ID, read_search=True).argv([psql, probe, "-c", "SELECT 1"])
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 2
    assert "peer authentication failed" in done.stderr.lower()


def test_orphan_of_a_killed_launcher_is_ended_and_a_stranger_left_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    first = EmbeddedPostgres(home, home / "run").start()
    assert first.pid is not None
    orphan = first.pid
    first._release_lock()  # what the kernel does when the launcher dies
    second = EmbeddedPostgres(home, home / "run").start()
    try:
        assert process.start_ticks(orphan) is None
        assert second.pid != orphan
    finally:
        second.stop()
        first.stop()
    # A lock file whose pid now names somebody else: us.
    (home / "postgres" / "data" / "postmaster.pid").write_text(f"{os.getpid()}\n{home}\n")
    third = EmbeddedPostgres(home, home / "run").start()
    third.stop()


def test_interrupted_initialisation_is_done_again(tmp_path: Path) -> None:
    home = tmp_path / "home"
    half = home / "postgres" / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    server = EmbeddedPostgres(home, home / "run").start()
    server.stop()
    assert not half.exists()


def test_long_home_still_has_a_short_socket(tmp_path: Path) -> None:
    home = tmp_path / ("长" * 30) / "home"
    run = Path("/tmp") / f"wj-run-{os.getpid()}"
    server = EmbeddedPostgres(home, run)
    try:
        assert len(os.fsencode(server.socket_dir / SOCKET_NAME)) <= SOCKET_LIMIT
        server.start()
        assert server.ready()
    finally:
        server.stop()
        shutil.rmtree(run, ignore_errors=True)
        shutil.rmtree(server.socket_dir, ignore_errors=True)
    with pytest.raises(Refused, match="path too long"):
        EmbeddedPostgres(home, home / "run")


def test_bad_database_name_is_refused(server: EmbeddedPostgres) -> None:
    with pytest.raises(ValueError, match="not a database name"):
        server.ensure_database('x"; DROP DATABASE postgres; --')


def test_redis_keeps_what_it_has(tmp_path: Path) -> None:
    import redis as client

    server = EmbeddedRedis(tmp_path / "home", tmp_path / "run").start()
    client.Redis.from_url(server.client_url).set("kept", "1")
    assert server.socket.stat().st_mode & 0o777 == 0o700
    server.stop()
    server.start()
    try:
        assert client.Redis.from_url(server.client_url).get("kept") == b"1"
    finally:
        server.stop()
