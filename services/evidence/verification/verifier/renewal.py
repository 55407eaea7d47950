"""Evidence records (RFC 4998): how time stamps outlive their certificates and their hash algorithms.

A record is a sequence of chains of archive time stamps. The first covers the package's digest; each further
one in a chain covers the one before it (time-stamp renewal, §5.2); the first of each further chain covers the
package anew, under another digest, together with all older chains (hash-tree renewal). One stamp covers many
packages at once: the reduced hash tree leads from one package's value to the stamped root.
"""

import datetime as dt
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.hazmat.primitives import hashes

from .strict import require
from .tokens import IMPRINTS, Der, single, verify_token

_TIME_STAMP_ONLY, _WITH_TREE = [0xA0, 0x30], [0xA0, 0xA2, 0x30]
_SIZES = {"sha256": 32, "sha384": 48, "sha512": 64, "sm3": 32}


def check_record(
    record: bytes,
    digest: Callable[[str], bytes],
    authorities: list[dict[str, Any]],
    now: dt.datetime,
    weak: Mapping[str, dt.datetime] | None = None,
) -> dict[str, Any]:
    """Check an evidence record of the package. Raises Failed.

    record: DER; digest: gives the package's digest by name (`sha256`, `sha384`, `sha512`, `sm3`);
    authorities: of the trust file; weak: since when a digest is no longer safe, by name. Gives
    {first, until, stamps, chains}: when its first archive time stamp was made, when the certificate of its
    newest one expires, how many of them there are, and in how many chains.
    """
    declared, chains = _open(record)
    used: list[str] = []
    stamps: list[dict[str, Any]] = []
    for number, chain in enumerate(chains):
        older = b"".join(item.raw for item in chains[:number])
        found = _check_chain(chain, _new_value(digest, older), authorities)
        if stamps:
            _check_order(stamps[-1], found[0], weak or {})
        stamps += found
        used.append(found[0]["algorithm"])
    require(sorted(set(used)) == sorted(declared), "record: declares other digests than it uses")
    last = stamps[-1]
    require(last["time"] <= now, "record: its newest time stamp is of the future")
    require(now <= last["expires"], f"record: the certificate of its newest stamp expired {last['expires']}")
    _check_strength(last["algorithm"], now, weak or {})
    return {
        "first": stamps[0]["time"],
        "until": last["expires"],
        "stamps": len(stamps),
        "chains": len(chains),
    }


def _open(record: bytes) -> tuple[list[str], list[Der]]:
    """The declared digests and the chains."""
    version, declared, sequence = single(record, 0x30).children(0x02, 0x30, 0x30)
    require(version.content == b"\x01", "record: unknown version")
    names = [_algorithm(item.raw) for item in declared.children()]
    chains = sequence.children()
    require(chains and all(chain.tag == 0x30 for chain in chains), "record: no chain")
    return names, chains


def _algorithm(raw: bytes) -> str:
    require(raw in IMPRINTS, "record: unknown digest")
    return IMPRINTS[raw]


def _new_value(digest: Callable[[str], bytes], older: bytes) -> Callable[[str], bytes]:
    """What the first stamp of a chain covers: H(package), or H(H(package) + H(older chains)), §5.2."""

    def value(name: str) -> bytes:
        return hashed(name, digest(name) + hashed(name, _sequence(older))) if older else digest(name)

    return value


def _check_chain(
    chain: Der, first: Callable[[str], bytes], authorities: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The stamps of one chain, each over the one before it, all with one digest."""
    found: list[dict[str, Any]] = []
    token = b""
    for item in chain.children():
        parts = item.children()
        tags = [part.tag for part in parts]
        require(item.tag == 0x30 and tags in (_TIME_STAMP_ONLY, _WITH_TREE), "record: malformed stamp")
        name = _algorithm(b"\x30" + parts[0].raw[1:])
        covered = hashed(name, token) if found else first(name)
        root = _climb(covered, parts[1], name) if tags == _WITH_TREE else covered
        stamp = verify_token(parts[-1], authorities)
        require(
            stamp["algorithm"] == name and stamp["imprint"] == root, "record: a stamp is over something else"
        )
        if found:
            require(name == found[0]["algorithm"], "record: two digests in one chain")
            _check_order(found[-1], stamp, {})
        found.append(stamp)
        token = parts[-1].raw
    require(found, "record: empty chain")
    return found


def _climb(value: bytes, tree: Der, name: str) -> bytes:
    """The root that a reduced hash tree leads to (RFC 4998 §4.3)."""
    lists = tree.children()
    require(lists, "record: empty hash tree")
    for number, item in enumerate(lists):
        members = [leaf.content for leaf in item.children()]
        proper = item.tag == 0x30 and all(leaf.tag == 0x04 for leaf in item.children())
        require(proper and members == sorted(set(members)), "record: hash list not in ascending order")
        require(all(len(member) == _SIZES[name] for member in members), "record: hash of another length")
        if number == 0:
            require(value in members and len(members) > 1, "record: is not of this package")
        else:
            require(members and value not in members, "record: malformed hash tree")
            members.append(value)
        value = hashed(name, b"".join(sorted(members)))
    return value


def _check_order(old: dict[str, Any], new: dict[str, Any], weak: Mapping[str, dt.datetime]) -> None:
    """The old stamp was still good when the new one was made (RFC 4998 §5.3)."""
    require(old["time"] <= new["time"], "record: stamps not in the order of time")
    require(new["time"] <= old["expires"], "record: a stamp was renewed after its certificate had expired")
    _check_strength(old["algorithm"], new["time"], weak)


def _check_strength(name: str, when: dt.datetime, weak: Mapping[str, dt.datetime]) -> None:
    require(name not in weak or when < weak[name], f"record: {name} was no longer safe at {when.isoformat()}")


def hashed(name: str, data: bytes) -> bytes:
    """A digest by name."""
    if name != "sm3":
        return hashlib.new(name, data).digest()
    context = hashes.Hash(hashes.SM3())
    context.update(data)
    return context.finalize()


def _sequence(content: bytes) -> bytes:
    """SEQUENCE around already encoded elements, in DER."""
    size = len(content)
    if size < 0x80:
        return bytes([0x30, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([0x30, 0x80 | len(length)]) + length + content
