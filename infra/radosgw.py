"""An S3 server with object lock for tests and benchmarks: one Ceph monitor, one OSD, one object gateway.

Debian packages them as `ceph-mon`, `ceph-osd` and `radosgw`. Everything lives below one folder and on the
loopback address, runs as the caller, and is gone after `stop`. Not for production: one copy, memory only.

    python -m infra.radosgw      starts one, prints its address and keys, ends with Ctrl-C
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

PACKAGES = ("ceph-mon", "ceph-osd", "radosgw")
"""Debian packages that bring the programs."""

ACCESS_KEY, SECRET_KEY = "testkey0", "testsecret0"
_PROGRAMS = ("ceph-mon", "ceph-osd", "radosgw", "ceph-authtool", "monmaptool", "ceph", "radosgw-admin")
_PATIENCE = 120.0

_CONFIG = """\
[global]
fsid = {fsid}
mon host = v2:127.0.0.1:{monitor_port}
keyring = {folder}/keyring
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
auth allow insecure global id reclaim = false
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon warn on pool no redundancy = false
mon max pg per osd = 500
osd crush chooseleaf type = 0
osd objectstore = memstore
memstore device bytes = 4294967296
run dir = {folder}/run
admin socket = {folder}/run/$name.$pid.asok
log file = {folder}/$name.log
pid file = {folder}/run/$name.pid
crash dir = {folder}/run
ms bind ipv4 = true
public addr = 127.0.0.1
cluster addr = 127.0.0.1
[mon.a]
mon data = {folder}/mon
[osd.0]
osd data = {folder}/osd
[client.rgw]
rgw data = {folder}/rgw
rgw frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1
rgw enable usage log = false
rgw dns name = localhost
"""


def missing() -> list[str]:
    """Programs that are not installed; empty when an S3 server can be started here."""
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
    return [name for name in _PROGRAMS if shutil.which(name, path=path) is None]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class StartFailedError(RuntimeError):
    """A part did not come up; the message names it and ends with what it wrote."""


class ObjectGateway:
    """One S3 server. `endpoint` is its host:port."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or Path(tempfile.mkdtemp(prefix="wj-s3-"))
        self._port = _free_port()
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def endpoint(self) -> str:
        """Where it listens, without TLS."""
        return f"127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it and wait until it answers, about 15 s. Raises StartFailedError; then nothing runs."""
        try:
            self._write_files()
            self._start_monitor()
            self._start_storage()
            self._start_gateway()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End its processes and remove its folder."""
        for daemon in reversed(self._daemons.values()):
            daemon.send_signal(signal.SIGCONT)
            daemon.kill()
            daemon.wait()
        self._daemons.clear()
        shutil.rmtree(self._folder, ignore_errors=True)

    def freeze(self) -> None:
        """Let the gateway hang: connections are taken, nothing is answered."""
        self._daemons["radosgw"].send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._daemons["radosgw"].send_signal(signal.SIGCONT)

    def admin(self, *arguments: str) -> str:
        """Run radosgw-admin; gives what it printed."""
        return self._run("radosgw-admin", "-n", "client.rgw", *arguments)

    def _run(self, program: str, *arguments: str) -> str:
        done = subprocess.run(
            [program, "-c", str(self._folder / "ceph.conf"), *arguments],
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
        if done.returncode:
            raise StartFailedError(f"{program}: {done.stderr[-2000:]}")
        return done.stdout

    def _daemon(self, program: str, *arguments: str) -> None:
        self._daemons[program] = subprocess.Popen(
            [program, "-f", "-c", str(self._folder / "ceph.conf"), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(self._folder / f"{program}.err").open("wb"),
            start_new_session=True,
        )

    def _write_files(self) -> None:
        folder, monitor_port = self._folder, _free_port()
        for name in ("mon", "osd", "rgw", "run"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        fsid = str(uuid.uuid4())
        config = _CONFIG.format(fsid=fsid, folder=folder, monitor_port=monitor_port, port=self._port)
        (folder / "ceph.conf").write_text(config, encoding="ascii")
        keyring = str(folder / "keyring")
        self._run(
            "ceph-authtool", "--create-keyring", keyring, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *"
        )
        every = [word for service in ("mon", "osd", "mgr") for word in ("--cap", service, "allow *")]
        for name in ("client.admin", "client.rgw", "osd.0"):
            self._run("ceph-authtool", keyring, "--gen-key", "-n", name, *every)
        address = f"[v2:127.0.0.1:{monitor_port}]"
        monmap = str(folder / "monmap")
        self._run("monmaptool", "--create", "--clobber", "--fsid", fsid, "--addv", "a", address, monmap)

    def _start_monitor(self) -> None:
        monmap, keyring = str(self._folder / "monmap"), str(self._folder / "keyring")
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap, "--keyring", keyring)
        self._daemon("ceph-mon", "-i", "a")
        self._run("ceph", "--connect-timeout", "60", "-s")

    def _start_storage(self) -> None:
        identity, keyring = str(uuid.uuid4()), str(self._folder / "keyring")
        self._run("ceph", "osd", "new", identity, "0")
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", identity, "--keyring", keyring)
        self._daemon("ceph-osd", "-i", "0", "--keyring", keyring)
        self._run("ceph", "osd", "crush", "add", "osd.0", "1.0", "root=default", "host=h0")

    def _start_gateway(self) -> None:
        self._daemon("radosgw", "-n", "client.rgw")
        deadline = time.monotonic() + _PATIENCE
        while not self._answers():
            if self._daemons["radosgw"].poll() is not None or time.monotonic() > deadline:
                tail = (self._folder / "radosgw.err").read_text("utf-8", "replace")[-2000:]
                raise StartFailedError(f"radosgw does not answer: {tail}")
            time.sleep(0.1)
        self.admin(
            "user", "create", "--uid", "test", "--display-name", "test",
            "--access-key", ACCESS_KEY, "--secret-key", SECRET_KEY,
        )  # fmt: skip

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.endpoint}/", timeout=5):
                return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False


def main() -> None:
    """Serve until interrupted."""
    absent = missing()
    if absent:
        raise SystemExit(f"missing: {', '.join(absent)}; apt-get install {' '.join(PACKAGES)}")
    gateway = ObjectGateway()
    gateway.start()
    print(f"http://{gateway.endpoint} {ACCESS_KEY} {SECRET_KEY}", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        signal.pause()
    gateway.stop()


if __name__ == "__main__":
    main()
