"""The machine and browser a capture was made with, and the checks that it was clean."""

import hashlib
import os
import platform
import shutil
import subprocess
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

_CHUNK = 1 << 20
_WORDS = {
    "fresh_context": (
        "浏览环境全新,无历史、缓存和登录状态",
        "new browsing context: no history, cache, log-in",
    ),
    "no_extensions": ("浏览器未装载扩展", "no browser extensions"),
    "no_proxy_settings": ("浏览器未继承系统代理设置", "no proxy settings of the machine reached the browser"),
    "hosts_file": ("本机 hosts 文件已记录", "the hosts file is on record"),
    "resolvers": ("域名解析服务器已记录", "name servers are on record"),
    "disk": ("证据盘空间充足", "there is room for the evidence"),
}
_PROXY_NAMES = ("http_proxy", "https_proxy", "all_proxy", "ftp_proxy")


def sha256_file(path: Path) -> str | None:
    """Hex SHA-256 of a file, or None when it cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError:
        return None
    return digest.hexdigest()


@lru_cache(maxsize=4)
def _binary_digest(path: str, size: int, mtime: int) -> str | None:
    return sha256_file(Path(path))


def browser_binary(launcher: Path) -> Path:
    """The program a distribution's launcher script starts, or the given file itself."""
    packaged = Path("/usr/lib/chromium/chromium")
    return packaged if launcher == Path("/usr/bin/chromium") and packaged.exists() else launcher


def browser_digest(launcher: Path) -> str | None:
    """Hex SHA-256 of the browser's program; hashed again only when the file changed."""
    binary = browser_binary(launcher)
    try:
        state = binary.stat()
    except OSError:
        return None
    return _binary_digest(str(binary), state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=1)
def fonts_digest() -> str | None:
    """Hex SHA-256 over the sorted list of installed fonts: pictures depend on them."""
    program = shutil.which("fc-list")
    if not program:
        return None
    try:
        done = subprocess.run([program], capture_output=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return hashlib.sha256(b"\n".join(sorted(done.stdout.splitlines()))).hexdigest()


@lru_cache(maxsize=1)
def machine() -> dict[str, Any]:
    """Kernel, system and library versions; they do not change while a worker runs."""
    release = platform.freedesktop_os_release() if Path("/etc/os-release").exists() else {}
    return {
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "os": release.get("PRETTY_NAME", platform.system()),
        "node": platform.node(),
        "python": platform.python_version(),
        "playwright": version("playwright"),
        "warcio": version("warcio"),
        "wangjian": _own_version(),
    }


def _own_version() -> str:
    from importlib.metadata import PackageNotFoundError

    try:
        return version("wangjian")
    except PackageNotFoundError:
        return "source"


def cleanliness(browser_env: dict[str, str], contexts_before: int) -> list[dict[str, Any]]:
    """The checks made before every capture, each with what was found (清洁性检查).

    browser_env: the environment the browser was started with; contexts_before: browsing contexts that
    were open when the capture's own was made (0 = nothing of an earlier capture was left).
    """
    leaked = sorted(name for name in browser_env if name.lower() in _PROXY_NAMES)
    hosts = Path("/etc/hosts")
    hosts_text = hosts.read_text(errors="replace") if hosts.exists() else ""
    found = {
        "fresh_context": (contexts_before == 0, {"open_before": contexts_before}),
        "no_extensions": (True, {"by": "--disable-extensions"}),
        "no_proxy_settings": (not leaked, {"found": leaked}),
        "hosts_file": (
            True,
            {"sha256": hashlib.sha256(hosts_text.encode()).hexdigest(), "entries": _entries(hosts_text)},
        ),
        "resolvers": (True, {"nameservers": _nameservers()}),
        "disk": _disk(),
    }
    return [
        {"check": name, "zh": _WORDS[name][0], "en": _WORDS[name][1], "ok": ok, "found": facts}
        for name, (ok, facts) in found.items()
    ]


def _entries(hosts: str) -> list[str]:
    lines = (line.partition("#")[0].split() for line in hosts.splitlines())
    return [" ".join(parts) for parts in lines if len(parts) > 1][:100]


def _nameservers() -> list[str]:
    resolv = Path("/etc/resolv.conf")
    lines = resolv.read_text(errors="replace").splitlines() if resolv.exists() else []
    return [parts[1] for line in lines if len(parts := line.split()) > 1 and parts[0] == "nameserver"]


def _disk() -> tuple[bool, dict[str, Any]]:
    free = shutil.disk_usage(os.environ.get("WANGJIAN_HOME", "/")).free
    return free > 512 * _CHUNK, {"free_bytes": free}
