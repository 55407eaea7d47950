"""What the kernel allows: the full jail, or the browser with the proxy only."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import Literal

_SECONDS = 10
_PROGRAMS = ("socat", "ip", "unshare")


@dataclass(frozen=True)
class JailMode:
    """How the browser is held. `why` says what is missing when it is less than the full jail."""

    name: Literal["namespace", "proxy-only"]
    sandbox: bool = True
    why: str = ""

    def facts(self) -> dict[str, object]:
        """For the manifest, the health answer and the screens."""
        return {"jail": self.name, "sandbox": self.sandbox, "why": self.why}


def probe(wanted: str, uid: int) -> JailMode:
    """The best jail this machine allows. `wanted`: `auto`, or `proxy-only` to not try.

    uid: the id the browser will run as when this process is root.
    """
    if wanted == "proxy-only":
        return JailMode("proxy-only", why="set by WANGJIAN_JAIL")
    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    if os.getuid() == 0 and shutil.which("setpriv") is None:
        missing.append("setpriv")
    if missing:
        return JailMode("proxy-only", why=f"missing programs: {', '.join(missing)}")
    drop = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--"] if os.getuid() == 0 else []
    inner = "ip link set lo up && exec unshare --user --map-user=1000 --map-group=1000 -- true"
    outer = ["unshare", "--user", "--map-root-user", "--net", "--ipc", "--pid", "--fork", "--kill-child",
             "--mount-proc", "--", "sh", "-c", inner]  # fmt: skip
    try:
        subprocess.run([*drop, *outer], capture_output=True, timeout=_SECONDS, check=True, cwd="/")
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip().splitlines()
        return JailMode("proxy-only", why=f"the kernel refuses namespaces: {said[-1] if said else error}")
    except (OSError, subprocess.TimeoutExpired) as error:
        return JailMode("proxy-only", why=f"the kernel refuses namespaces: {error}")
    return JailMode("namespace")
