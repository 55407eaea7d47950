"""Run a program as an unprivileged id, with as little extra as the folders on this machine force upon us.

PostgreSQL refuses to run as root. Adding an account or opening somebody's home is not ours to do, so a
program is started through util-linux's `setpriv` under a bare numeric id. Where a folder above the program
or the data is closed to that id (mode 0700), exactly one capability is passed on: CAP_DAC_READ_SEARCH,
which lets it pass through folders and read, never write. The bounding set is cut down to the same, so
nothing else can be gained by any later exec. The price: a PostgreSQL superuser could then read any file
with pg_read_file; only the user who started the platform can become one (see postgres.py), and for him
that is nothing new.
"""

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.embedded.refusal import Refused

POSTGRES_ID = 58701
"""Owner of the PostgreSQL data when started as root. Chromium has another id: neither reads the other."""

NOBODY = 65534
"""`initdb` insists on an account name for its id; every Linux has this one."""

READ_SEARCH = "dac_read_search"


@dataclass(frozen=True)
class Drop:
    """How a child leaves root: target id (None = stay who we are), and whether CAP_DAC_READ_SEARCH stays."""

    uid: int | None
    read_search: bool = False

    def argv(self, command: Sequence[str | Path], *, death_signal: str | None = None) -> list[str]:
        """The command wrapped in `setpriv`; `death_signal` ("INT", "TERM") comes when its parent dies."""
        wrapped = ["setpriv"]
        if death_signal:
            wrapped += ["--pdeathsig", death_signal]
        if self.uid is not None:
            wrapped += [f"--reuid={self.uid}", f"--regid={self.uid}", "--clear-groups", "--no-new-privs"]
            keep = f"-all,+{READ_SEARCH}" if self.read_search else "-all"
            wrapped += [f"--bounding-set={keep}", f"--inh-caps={keep}"]
            if self.read_search:
                # PostgreSQL asks access(2) about its programs, which ignores capabilities without this bit.
                wrapped += [f"--ambient-caps={keep}", "--securebits=+no_setuid_fixup"]
        if len(wrapped) == 1:
            return [str(part) for part in command]
        return [*wrapped, "--", *(str(part) for part in command)]

    def with_uid(self, uid: int) -> "Drop":
        """The same way down, to another id."""
        return Drop(uid, self.read_search)


def account_name() -> str:
    """Account name of the current user; initdb and peer authentication need one.

    Raises Refused when the current id has no entry in the account database.
    """
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise Refused(
            f"当前用户编号 {os.geteuid()} 没有账户名，PostgreSQL 无法初始化；请用有账户的用户或 root 运行",
            f"user id {os.geteuid()} has no account name, PostgreSQL cannot initialise; "
            "run as a named user or root",
        ) from None


def can_reach(drop: Drop, folders: Sequence[Path], files: Sequence[Path]) -> str | None:
    """Try, as the dropped id, to enter each folder and read each file. None when all worked, else the reason.

    Really trying is the only honest test: the first exec after a drop may still be resolved with root's
    rights, so a shell of the system is started first and it tries.
    """
    enter = 'n=$1; shift; while [ "$n" -gt 0 ]; do cd "$1" || exit 1; shift; n=$((n-1)); done'
    script = f'{enter}; cat "$@" >/dev/null'
    command = ["/bin/sh", "-c", script, "sh", str(len(folders)), *map(str, folders), *map(str, files)]
    done = subprocess.run(
        drop.argv(command), capture_output=True, text=True, check=False, cwd="/", timeout=60
    )
    if done.returncode == 0:
        return None
    return (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]


def require_setpriv() -> None:
    """Raises Refused when util-linux's setpriv is missing."""
    if shutil.which("setpriv") is None:
        raise Refused(
            "缺少 setpriv 命令，请安装 util-linux：apt-get install -y util-linux",
            "the command setpriv is missing; install util-linux: apt-get install -y util-linux",
        )
