"""pg_trgm as a peer of our search: Debian's PostgreSQL 15 where it is installed, on its own data folder.

`apt-get install postgresql` brings it; without it the figures are left out and that is said.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

HOME = Path("/usr/lib/postgresql/15")
_NOBODY = 65534


class TrigramPeer:
    """A table (no, region_code, name) with a trigram index on the name and one on (region_code, no)."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="wj-trgm-"))
        self._server: subprocess.Popen[bytes] | None = None

    @staticmethod
    def installed() -> bool:
        """Whether this machine has it."""
        return (HOME / "bin" / "initdb").exists()

    def __enter__(self) -> Self:
        drop = []
        if os.geteuid() == 0:
            os.chown(self._folder, _NOBODY, _NOBODY)
            drop = ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"]
        data = self._folder / "data"
        initdb = [str(HOME / "bin" / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust"]
        locale = ["-E", "UTF8", "--locale=C.UTF-8"]
        subprocess.run([*drop, *initdb, *locale], check=True, capture_output=True, cwd="/")
        options = ["listen_addresses=", f"unix_socket_directories={self._folder}", "jit=off"]
        options += ["shared_buffers=128MB", "max_parallel_workers_per_gather=0"]
        settings = [part for option in options for part in ("-c", option)]
        postgres = [*drop, str(HOME / "bin" / "postgres"), "-D", str(data), *settings]
        log = (self._folder / "log").open("wb")
        self._server = subprocess.Popen(postgres, stdout=log, stderr=log, cwd="/")
        self.connection = self._connect()
        return self

    def _connect(self) -> psycopg.Connection[tuple[int]]:
        for _ in range(100):
            try:
                return psycopg.connect(
                    host=str(self._folder), user="postgres", dbname="postgres", autocommit=True
                )
            except psycopg.OperationalError:
                time.sleep(0.1)
        raise RuntimeError("PostgreSQL 15 did not start")

    def fill(self, rows: Iterable[tuple[int, str, str]]) -> None:
        """Load (no, region_code, name) and build the indexes."""
        run = self.connection.execute
        run("CREATE EXTENSION pg_trgm")
        run("CREATE TABLE names (no bigint PRIMARY KEY, region_code varchar(6), name text)")
        with self.connection.cursor() as cursor, cursor.copy("COPY names FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        run("SET maintenance_work_mem = '512MB'")
        run("CREATE INDEX ON names USING gin (name gin_trgm_ops)")
        run("CREATE INDEX ON names (region_code, no)")
        run("VACUUM ANALYZE names")

    def first_page(self, text: str, region: str | None, limit: int) -> Sequence[tuple[int]]:
        """The newest names that contain the text."""
        area = " AND region_code = %(region)s" if region else ""
        statement = f"SELECT no FROM names WHERE name LIKE %(text)s{area} ORDER BY no DESC LIMIT %(limit)s"  # noqa: S608
        values = {"text": f"%{text}%", "region": region, "limit": limit}
        return self.connection.execute(statement, values).fetchall()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.connection.close()
        if self._server:
            self._server.terminate()
            self._server.wait(60)
        shutil.rmtree(self._folder, ignore_errors=True)
