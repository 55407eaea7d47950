"""Names to addresses, once a capture."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, ip_address

from services.crawler.egress.rules import Address, is_localhost_name, literal

# Gives every A and AAAA answer for a name; raises OSError when there is none.
Resolver = Callable[[str], Awaitable[list[Address]]]


async def system_resolver(host: str) -> list[Address]:
    """Every IPv4 and IPv6 answer the machine's resolver gives, in its order, without repeats."""
    found = literal(host)
    if found is not None:
        return [found]
    if is_localhost_name(host):
        return [IPv4Address("127.0.0.1")]
    loop = asyncio.get_running_loop()
    rows = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(ip_address(str(row[4][0]).partition("%")[0]) for row in rows))
