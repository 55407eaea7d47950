"""Why a capture is not complete, in words an officer understands. Pure decisions."""

from dataclasses import dataclass
from typing import Literal

from services.crawler.egress.ledger import Connection

State = Literal["COMPLETE", "PARTIAL", "BLOCKED", "FAILED"]


@dataclass(frozen=True)
class Reason:
    """A stable code and what it means."""

    code: str
    zh: str
    en: str

    def row(self) -> dict[str, str]:
        """As JSON."""
        return {"code": self.code, "zh": self.zh, "en": self.en}


@dataclass(frozen=True)
class Outcome:
    """How a capture ended."""

    state: State
    reason: Reason | None = None


_ADDRESS_ZH = {
    "private": "内网地址",
    "loopback": "本机地址",
    "link_local": "链路本地地址(含云主机元数据服务)",
    "carrier_nat": "运营商内部地址",
    "multicast": "组播地址",
}
_CERTIFICATE = {
    "ERR_CERT_DATE_INVALID": ("证书已过期或尚未生效", "the certificate is expired or not yet valid"),
    "ERR_CERT_COMMON_NAME_INVALID": ("证书与网址域名不符", "the certificate is for another name"),
    "ERR_CERT_AUTHORITY_INVALID": ("证书不是由受信任的机构签发", "the certificate's issuer is not trusted"),
    "ERR_CERT_REVOKED": ("证书已被吊销", "the certificate was revoked"),
}
_EMPTY = Reason(
    "connection.empty",
    "网站接受了连接但没有返回任何内容",
    "the site closed the connection without an answer",
)
_RESET = Reason("connection.reset", "网站中断了连接", "the site cut the connection")
_REDIRECTS = Reason("redirects.too_many", "网站不断跳转,没有给出页面", "the site redirects without end")
_PORT = Reason(
    "port.refused",
    "该端口不是网页服务端口,浏览器拒绝访问",
    "this port is not for web pages; the browser refuses it",
)
_KIND = Reason(
    "redirect.refused",
    "网站跳转到了不允许的地址类型",
    "the site leads to a kind of address that is not allowed",
)
_INVALID = Reason("response.invalid", "网站返回的内容不符合网页协议", "the site's answer is not valid HTTP")
_NET = {
    "ERR_EMPTY_RESPONSE": _EMPTY,
    "ERR_CONNECTION_RESET": _RESET,
    "ERR_CONNECTION_CLOSED": _RESET,
    "ERR_TOO_MANY_REDIRECTS": _REDIRECTS,
    "ERR_UNSAFE_PORT": _PORT,
    "ERR_UNSAFE_REDIRECT": _KIND,
    "ERR_BLOCKED_BY_CLIENT": _KIND,
    "ERR_INVALID_RESPONSE": _INVALID,
    "ERR_HTTP2_PROTOCOL_ERROR": _INVALID,
}
_BLOCKED = (_PORT, _KIND)

TIMEOUT = Reason("load.timeout", "网站在规定时间内没有返回页面", "the site gave no page in the time allowed")
LOAD_PARTIAL = Reason(
    "load.partial",
    "页面在规定时间内没有加载完,已固定当时看到的内容",
    "the page did not finish loading in time; what could be seen was kept",
)
SCRIPT_HUNG = Reason(
    "page.script_hung",
    "页面脚本陷入死循环,已中止脚本并固定当时的内容",
    "a script on the page runs without end; it was stopped and what was there was kept",
)
ENDLESS = Reason(
    "page.endless",
    "页面可以无限向下加载,已固定到规定高度为止",
    "the page loads more without end; it was kept down to the set height",
)
TOO_TALL = Reason(
    "page.too_tall",
    "页面超过规定高度,图片只截到规定高度,其余内容见网页文件",
    "the page is taller than the set height; the picture ends there, the rest is in the page files",
)
DOWNLOAD = Reason(
    "page.download",
    "该网址给出的是文件而不是网页,已固定响应头和文件内容",
    "this address gives a file, not a page; its headers and bytes were kept",
)
DOWNLOAD_CUT = Reason(
    "page.download_cut",
    "该网址给出的是大文件,已固定响应头和文件开头部分",
    "this address gives a large file; its headers and first part were kept",
)
TOO_MUCH = Reason(
    "size.limit",
    "页面数据量超过上限,超出部分未接收",
    "the page sends more data than allowed; the rest was not taken",
)
RESOURCES_MISSING = Reason(
    "resources.missing",
    "部分图片或文件没有加载成功,清单见证据记录",
    "some pictures or files did not load; they are listed",
)
NO_CONTENT = Reason("page.no_content", "网站应答成功但没有页面内容", "the site answered without any content")
CRASHED = Reason("browser.crashed", "页面导致浏览器崩溃", "the page crashed the browser")
STUCK = Reason(
    "browser.stuck", "页面使浏览器无法响应,已强制结束", "the page made the browser unresponsive; it was ended"
)


def of_connection(connection: Connection) -> Outcome | None:
    """What the proxy's record of the page's own connection says, or None when it was made."""
    host, why = connection.host, connection.reason or ""
    match connection.verdict:
        case "refused":
            return Outcome("BLOCKED", _refusal(connection))
        case "dns_failed":
            return _failed(
                "dns.failed",
                f"域名 {host} 无法解析,请核对网址",
                f"the name {host} does not resolve; check the address",
            )
        case "connect_failed":
            place = connection.target.authority
            return _failed(
                "connection.failed", f"无法连接 {place}({why})", f"cannot connect to {place} ({why})"
            )
        case "limit":
            return Outcome("PARTIAL", TOO_MUCH) if why != "time" else Outcome("FAILED", TIMEOUT)
    return None


def _refusal(connection: Connection) -> Reason:
    if connection.reason == "port":
        return Reason(
            "port.refused",
            f"端口 {connection.port} 不是网页服务端口,系统拒绝访问",
            f"port {connection.port} is not a web port; access is refused",
        )
    why, _, address = (connection.reason or "").partition(" ")
    kind = _ADDRESS_ZH.get(why, "不允许访问的地址")
    host, word = connection.host, why.replace("_", " ")
    if host == address:
        return Reason(
            f"address.{why}",
            f"{host} 是{kind},系统拒绝访问",
            f"{host} is a {word} address; access is refused",
        )
    return Reason(
        f"address.{why}",
        f"{host} 指向{kind} {address},系统拒绝访问",
        f"{host} points to {word} address {address}; access is refused",
    )


def of_net_error(code: str) -> Outcome:
    """What a browser's net error says, when the connection itself was made."""
    if code in _CERTIFICATE or code.startswith("ERR_CERT_"):
        zh, en = _CERTIFICATE.get(code, ("证书有误", "the certificate is not valid"))
        return _failed(
            "tls.certificate",
            f"网站的安全证书有问题:{zh};证书已固定",
            f"TLS certificate: {en}; the certificate was kept",
        )
    if code.startswith(("ERR_SSL_", "ERR_BAD_SSL")):
        return _failed(
            "tls.handshake", "无法与网站建立加密连接", f"no encrypted connection could be made ({code})"
        )
    if code in ("ERR_TIMED_OUT", "ERR_CONNECTION_TIMED_OUT"):
        return Outcome("FAILED", TIMEOUT)
    if code in _NET:
        reason = _NET[code]
        return Outcome("BLOCKED" if reason in _BLOCKED else "FAILED", reason)
    return _failed("load.failed", f"页面无法打开({code})", f"the page could not be opened ({code})")


def _failed(code: str, zh: str, en: str) -> Outcome:
    return Outcome("FAILED", Reason(code, zh, en))
