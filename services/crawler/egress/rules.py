"""Which hosts, ports and addresses a captured page may reach. Pure decisions, no I/O.

Sources: IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890), RFC 6761 (`localhost` names),
RFC 6598 (shared address space), RFC 3056 (6to4), RFC 4380 (Teredo), RFC 6052 and RFC 8215 (NAT64).
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address

# Ports a public web page is served from. Below 1024 only the two of the web: the jail is no port scanner.
_WEB_PORTS = (80, 443)
_FIRST_FREE_PORT = 1024
# What a browser sends: names in their IDNA form (RFC 5890), IPv4 literals; IPv6 literals stand in brackets.
_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?")
_PORT = re.compile(r"[0-9]{1,5}")

_REFUSED_V4 = [
    ("0.0.0.0/8", "unspecified"),
    ("10.0.0.0/8", "private"),
    # RFC 6598; one large cloud in China has its metadata service at 100.100.100.200.
    ("100.64.0.0/10", "carrier_nat"),
    ("127.0.0.0/8", "loopback"),
    # Cloud metadata services listen at 169.254.169.254 and its neighbours.
    ("169.254.0.0/16", "link_local"),
    ("172.16.0.0/12", "private"),
    ("192.0.0.0/24", "reserved"),
    ("192.0.2.0/24", "documentation"),
    ("192.88.99.0/24", "relay"),
    ("192.168.0.0/16", "private"),
    ("198.18.0.0/15", "benchmarking"),
    ("198.51.100.0/24", "documentation"),
    ("203.0.113.0/24", "documentation"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved"),
]
_REFUSED_V6 = [
    ("2001::/23", "reserved"),  # Teredo, benchmarking, ORCHID and other protocol assignments
    ("2001:db8::/32", "documentation"),
    ("2002::/16", "relay"),
    ("3fff::/20", "documentation"),
]
_V4 = [(ip_network(net), why) for net, why in _REFUSED_V4]
_V6 = [(IPv6Network(net), why) for net, why in _REFUSED_V6]
_V6_NAMED = [
    (IPv6Network("::1/128"), "loopback"),
    (IPv6Network("::/128"), "unspecified"),
    (IPv6Network("::ffff:0:0/96"), "mapped"),
    (IPv6Network("64:ff9b::/96"), "translated"),
    (IPv6Network("64:ff9b:1::/48"), "translated"),
    (IPv6Network("fc00::/7"), "private"),
    (IPv6Network("fe80::/10"), "link_local"),
    (IPv6Network("fec0::/10"), "private"),
    (IPv6Network("ff00::/8"), "multicast"),
]
# Everything that is routed publicly today lies in 2000::/3.
_V6_GLOBAL = IPv6Network("2000::/3")


@dataclass(frozen=True)
class Target:
    """Where a connection wants to go: a host name or literal in lower case, and a port."""

    host: str
    port: int

    @property
    def authority(self) -> str:
        """host:port, an IPv6 literal in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def refusal_of(address: Address) -> str | None:
    """Why an address may not be dialled (`private`, `loopback`, …), or None when it is public."""
    if isinstance(address, IPv4Address):
        return next((why for net, why in _V4 if address in net), None)
    for net, why in (*_V6_NAMED, *_V6):
        if address in net:
            return why
    return None if address in _V6_GLOBAL else "reserved"


def port_refused(port: int) -> bool:
    """Whether a port is none a public page may use."""
    return port not in _WEB_PORTS and port < _FIRST_FREE_PORT


def allowed_by_name(target: Target, allow: Iterable[tuple[str, int]]) -> bool:
    """Whether the deployment names this host and port. `*.shop.localhost` names every name below it."""
    return any(port == target.port and _matches(target.host, host) for host, port in allow)


def _matches(host: str, pattern: str) -> bool:
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern


def literal(host: str) -> Address | None:
    """The address a host literally is, or None for a name. Takes no short or octal forms of IPv4."""
    try:
        return ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None


def is_localhost_name(host: str) -> bool:
    """`localhost` and all names below it, which resolve to loopback without asking anyone (RFC 6761 §6.3)."""
    return host.rstrip(".") == "localhost" or host.rstrip(".").endswith(".localhost")


def first_refusal(answers: Sequence[Address]) -> tuple[Address, str] | None:
    """The first answer that may not be dialled with its reason; one bad answer refuses the whole name."""
    return next(((a, why) for a in answers if (why := refusal_of(a))), None)


def parse_authority(text: str, default_port: int) -> Target:
    """`host:port`, `host` or `[v6]:port` → Target. Raises ValueError for anything else."""
    host, separator, port = text.rpartition(":")
    if not separator or text.endswith("]"):
        host, port = text, str(default_port)
    host = host.lower()
    if host.startswith("[") and host.endswith("]"):
        host = str(IPv6Address(host[1:-1]))
    elif not _HOST.fullmatch(host):
        raise ValueError(f"not a host: {host!r}")
    if not _PORT.fullmatch(port) or not 0 < int(port) < 65536:
        raise ValueError(f"not a port: {port!r}")
    return Target(host.rstrip("."), int(port))
