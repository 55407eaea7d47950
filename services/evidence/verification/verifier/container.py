"""The ZIP container: one permitted byte layout, and one pass that digests the file and its members."""

import hashlib
import struct
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO

from cryptography.hazmat.primitives import hashes

from .strict import Unreadable, require

try:  # the same sum, thirty times as fast, where it is installed
    from isal.isal_zlib import crc32
except ImportError:
    from zlib import crc32

_BLOCK = 1 << 20
_WORTH_A_THREAD = _BLOCK // 8
_BEHIND = 8
_MOST_MEMBERS = 0xFFFF
_LOCAL_MAGIC = 0x04034B50

_LOCAL = struct.Struct("<IHHHHHIIIHH")
_CENTRAL = struct.Struct("<IHHHHHHIIIHHHHHII")
_END = struct.Struct("<IHHHHIIH")


class Member:
    """One file in the package: its name, CRC-32, length and where its bytes lie."""

    def __init__(self, name: str, crc: int, size: int, start: int) -> None:
        self.name, self.crc, self.size, self.start = name, crc, size, start
        self.sha256 = self.sm3 = ""
        self.seen_crc = -1

    def same(self, other: "Member") -> bool:
        """Whether both are of one name, CRC-32, length and place."""
        names = ("name", "crc", "size", "start")
        return all(getattr(self, name) == getattr(other, name) for name in names)


def local_header(name: bytes, crc: int, size: int) -> bytes:
    """The only permitted local header: stored, no flags, 1980-01-01 00:00, no extra field."""
    return _LOCAL.pack(_LOCAL_MAGIC, 10, 0, 0, 0, 0x21, crc, size, size, len(name), 0) + name


def central_header(name: bytes, crc: int, size: int, offset: int) -> bytes:
    """The only permitted central directory entry."""
    fields = (0x02014B50, 10, 10, 0, 0, 0, 0x21, crc, size, size, len(name), 0, 0, 0, 0, 0, offset)
    return _CENTRAL.pack(*fields) + name


def end_record(count: int, size: int, offset: int) -> bytes:
    """The only permitted end record: one disk, no comment."""
    return _END.pack(0x06054B50, 0, 0, count, count, size, offset, 0)


def read_members(reader: BinaryIO, length: int) -> list[Member]:
    """The members of a ZIP that is byte for byte in the permitted layout, else Failed."""
    require(length >= _END.size, "too short for a ZIP")
    end = read_exactly(reader, length - _END.size, _END.size)
    _, _, _, _, count, size, offset, _ = _END.unpack(end)
    require(end == end_record(count, size, offset), "end record not in the permitted form")
    require(offset + size + _END.size == length, "bytes before, between or after the ZIP's parts")
    directory, members, at, position = read_exactly(reader, offset, size), [], 0, 0
    for _ in range(count):
        require(at + _CENTRAL.size <= size, "central directory too short")
        fields = _CENTRAL.unpack_from(directory, at)
        crc, stored, name_length = fields[7], fields[9], fields[10]
        name = directory[at + _CENTRAL.size : at + _CENTRAL.size + name_length]
        entry = central_header(name, crc, stored, position)
        require(directory[at : at + len(entry)] == entry, "central directory entry not in the permitted form")
        header = local_header(name, crc, stored)
        require(read_exactly(reader, position, len(header)) == header, f"local header of {name!r} differs")
        members.append(Member(name.decode("latin-1"), crc, stored, position + len(header)))
        at, position = at + len(entry), position + len(header) + stored
    require(at == size and position == offset, "central directory does not match the files")
    return members


def read_exactly(reader: BinaryIO, start: int, count: int) -> bytes:
    require(start >= 0 and count >= 0, "negative length")
    reader.seek(start)
    data = reader.read(count)
    require(len(data) == count, "file ends early")
    return data


class Digests:
    """SHA-256, CRC-32 and, when a thread is given for it, SM3 of a run of bytes.

    SM3 takes four times as long as SHA-256, so it runs beside it (hashing releases the interpreter lock), at
    most _BEHIND blocks behind. beside: an executor of one thread, which keeps the blocks in order.
    """

    def __init__(self, beside: ThreadPoolExecutor | None) -> None:
        self._sha256, self.crc = hashlib.sha256(), 0
        self._beside, self._sm3 = beside, hashes.Hash(hashes.SM3())
        self._behind: deque[Future[None]] = deque()

    def update(self, block: bytes) -> None:
        """Take the next bytes."""
        if self._beside and (self._behind or len(block) >= _WORTH_A_THREAD):
            self._behind.append(self._beside.submit(self._sm3.update, block))
        elif self._beside:
            self._sm3.update(block)
        self._sha256.update(block)
        self.crc = crc32(block, self.crc)
        if len(self._behind) > _BEHIND:
            self._behind.popleft().result()

    def finish(self) -> tuple[str, str]:
        """(SHA-256, SM3 or nothing) as lowercase hex."""
        while self._behind:
            self._behind.popleft().result()
        return self._sha256.hexdigest(), self._sm3.finalize().hex() if self._beside else ""


def scan(reader: BinaryIO, *, package_sm3: bool) -> tuple[str, str, int, list[Member]]:
    """Digest the file and the members in it: one pass from the first byte to the last, in constant memory.

    Gives the file's (SHA-256, SM3, length) and the members as the local headers announce them, up to the
    first bytes that announce none. Nothing is believed yet: `read_members` says which members there are.
    The pass never goes back and needs no length, so it can run on a file that is still arriving.
    """
    with ThreadPoolExecutor(1) as first, ThreadPoolExecutor(1) as second:
        whole, members, at = Digests(first if package_sm3 else None), list[Member](), 0
        while len(members) < _MOST_MEMBERS and (member := _announced(reader, at)):
            _feed(reader, at, member.start, [whole])
            single, end = Digests(second), member.start + member.size
            at = _feed(reader, member.start, end, [whole, single])
            if at < end:
                break  # cut short: its bytes are counted, but it is no member
            member.seen_crc = single.crc
            member.sha256, member.sm3 = single.finish()
            members.append(member)
        length = _feed(reader, at, None, [whole])
        if length != reader.seek(0, 2):
            raise Unreadable("文件在读取过程中变化", "the file changed its length while it was read")
        return *whole.finish(), length, members


def _announced(reader: BinaryIO, at: int) -> Member | None:
    """The member whose local header stands at `at`; None when there is none."""
    reader.seek(at)
    header = reader.read(_LOCAL.size)
    if len(header) < _LOCAL.size:
        return None
    fields = _LOCAL.unpack(header)
    crc, size, name_length = fields[6], fields[7], fields[9]
    name = reader.read(name_length) if fields[0] == _LOCAL_MAGIC else b""
    if fields[0] != _LOCAL_MAGIC or len(name) < name_length:
        return None
    return Member(name.decode("latin-1"), crc, size, at + _LOCAL.size + name_length)


def _feed(reader: BinaryIO, start: int, end: int | None, into: list[Digests]) -> int:
    """Digest the bytes from `start` to `end` (None: the file's end); gives where it came to."""
    reader.seek(start)
    while end is None or start < end:
        block = reader.read(_BLOCK if end is None else min(_BLOCK, end - start))
        if not block:
            break
        start += len(block)
        for digests in into:
            digests.update(block)
    return start


def digest_file(reader: BinaryIO) -> tuple[int, str, str]:
    """(length, SHA-256, SM3) of a whole file."""
    with ThreadPoolExecutor(1) as beside:
        whole = Digests(beside)
        length = _feed(reader, 0, None, [whole])
        return length, *whole.finish()


def is_package(reader: BinaryIO) -> bool:
    """Whether the file can be a ZIP at all: it begins or ends like one. A damaged ZIP is INVALID instead."""
    length = reader.seek(0, 2)
    reader.seek(0)
    start = reader.read(2)
    reader.seek(max(0, length - _END.size))
    return start == b"PK" or reader.read(2) == b"PK"
