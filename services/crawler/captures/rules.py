"""Decisions about captures. Pure, no I/O."""

import re
from ipaddress import IPv6Address
from urllib.parse import urlsplit, urlunsplit

from services.common.problems import Problem

LONGEST_URL = 4096
# Steps in their order, in the words of the screens.
STEPS = {
    "order_logged": ("采集任务已写入日志", "order written to the log"),
    "clean_check": ("清洁性检查", "clean check"),
    "load": ("打开网页", "load the page"),
    "scroll": ("滚动页面,加载全部图片", "scroll and load all pictures"),
    "shots": ("截取整页图片", "full-page picture"),
    "collect": ("固定网页文件、网络数据和证书", "collect page files, network data and certificates"),
    "hashing": ("计算哈希并签名清单", "hash everything and sign the manifest"),
    "upload": ("送存证据库", "send to the evidence store"),
    "signed": ("封存签名", "sealing signature"),
    "stamped": ("加盖可信时间戳", "trusted time stamp"),
    "logged": ("写入公开日志", "written to the log"),
    "custodian": ("第三方存证机构留存", "copy with the custodian"),
    "sealed": ("封存完成", "sealed"),
}
SEAL_OPS = ("signed", "stamped", "logged", "custodian", "sealed")
FINAL = ("sealed", "failed", "cancelled")
LEASE_SECONDS = 20
HEARTBEAT_SECONDS = 3.0
# A capture whose worker died this often is given up, with the reason on record.
MAX_CRASHES = 5
# Sealing is retried this long (design: no unstamped evidence older than four hours), then given up.
MAX_FAILURES = 240
_HOST = re.compile(r"(?!\.)[a-z0-9._-]{1,253}")
_BACKOFF = (2, 4, 8, 15, 30, 60)
_SCHEME = re.compile(r"^([a-zA-Z][a-zA-Z0-9+.-]*):(?!\d{1,5}(?:[/?#]|$))")
_RETRYABLE = (408, 425, 429, 500, 502, 503, 504, 507)


def normalise_url(text: str) -> str:
    """The URL to capture, from what an officer pasted. A bare host gets `https://`.

    Raises Problem 422 `capture.url_refused` with what to do for anything but a web page's address.
    """
    url = text.strip()
    if not url or len(url) > LONGEST_URL or any(ord(c) < 33 or ord(c) == 127 for c in url):
        raise _refused("网址为空、过长或含有空白字符", "the address is empty, too long or has spaces in it")
    scheme = _SCHEME.match(url)
    if scheme is None:
        url = f"https://{url.removeprefix('//')}"
    elif scheme.group(1).lower() not in ("http", "https"):
        raise _refused(
            f"只能采集网页(http 或 https),不支持 {scheme.group(1).lower()}: 地址",
            f"only web pages (http or https) can be captured, not {scheme.group(1).lower()}: addresses",
        )
    try:
        parts = urlsplit(url)
        host, port = _host(parts.hostname or ""), parts.port
        url.encode()
    except ValueError as error:  # UnicodeError, which IDNA raises, is one, too
        raise _refused("网址的主机名或端口有误", "the host or port in the address is not valid") from error
    if "\\" in url or port == 0:
        raise _refused("网址的主机名或端口有误", "the host or port in the address is not valid")
    if parts.username is not None or parts.password is not None:
        raise _refused("网址中不能带有账号或口令", "the address must not carry a user name or password")
    authority = host + (f":{port}" if port else "")
    return urlunsplit((parts.scheme.lower(), authority, parts.path or "/", parts.query, parts.fragment))


def _host(name: str) -> str:
    """A host in the form that goes on the wire (IDNA, RFC 5890). Raises ValueError."""
    if ":" in name:
        return f"[{IPv6Address(name)}]"
    host = name.encode("idna").decode("ascii").lower()
    if not _HOST.fullmatch(host):
        raise ValueError(f"not a host: {name!r}")
    return host


def _refused(zh: str, en: str) -> Problem:
    return Problem(
        "capture.url_refused",
        422,
        zh=zh,
        en=en,
        todo_zh="请粘贴完整的网页地址,例如 https://shop.example.com/item/1",
        todo_en="paste the full address of a web page, such as https://shop.example.com/item/1",
    )


def backoff_seconds(failures: int) -> int:
    """How long to wait after so many failures in a row: 2 s growing to a minute."""
    return _BACKOFF[min(failures, len(_BACKOFF)) - 1] if failures > 0 else 0


def retryable(problem: Problem) -> bool:
    """Whether trying again later can help (the other side is down, busy or full)."""
    return problem.status in _RETRYABLE


def cancel_refused(state: str) -> Problem:
    """409: what has ended, or is being sealed, cannot be cancelled."""
    return Problem(
        "capture.not_cancellable",
        409,
        zh="该采集已结束或正在封存,不能取消" if state != "cancelled" else "该采集已取消",
        en="this capture has ended or is being sealed; it cannot be cancelled",
        todo_zh="如不需要该证据,可在证据页面说明",
        todo_en="if the evidence is not needed, say so on its page",
        extra={"state": state, "allowed": []},
    )
