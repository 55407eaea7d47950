"""A package as a stream: the same bytes however its parts are cut, held back never longer than it must be."""

import hashlib
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.evidence.package.layout import Part
from services.evidence.package.transfer import (
    AbandonedError,
    GrowingPackage,
    ReadBack,
    StoredBytesChangedError,
    blocks,
    read_whole,
)

_SIZES = st.one_of(st.integers(0, 300), st.sampled_from([65_535, 65_536, 65_537, 1 << 20, (1 << 20) + 1]))
_PARTS = st.lists(st.tuples(_SIZES, st.booleans()), max_size=12)


class _Store(dict[str, bytes]):
    def keep(self, data: bytes) -> Part:
        name = hashlib.sha256(data).hexdigest()
        self[name] = data
        return Part(len(data), sha256=name)

    def open(self, sha256: str) -> io.BytesIO:
        return io.BytesIO(self[sha256])


def _made(described: list[tuple[int, bool]]) -> tuple[_Store, list[Part], bytes]:
    store, parts, whole = _Store(), [], b""
    for number, (size, stored) in enumerate(described):
        data = bytes([number]) * size
        whole += data
        parts.append(store.keep(data) if stored else Part(size, data))
    return store, parts, whole


@settings(max_examples=40)
@given(_PARTS)
def test_the_same_bytes_however_they_are_cut(described: list[tuple[int, bool]]) -> None:
    store, parts, whole = _made(described)
    found = list(blocks(parts, store.open))
    assert b"".join(found) == whole
    largest = max([1 << 20, *(size for size, stored in described if not stored)])
    assert all(0 < len(block) <= largest for block in found)
    reading = ReadBack(parts, store.open)
    assert b"".join(reading.blocks()) == whole
    assert (reading.bytes, reading.sha256()) == (len(whole), hashlib.sha256(whole).hexdigest())
    digests = (hashlib.sha256(whole).hexdigest(), hashlib.new("sm3", whole).hexdigest())
    assert read_whole(parts, store.open) == digests


def test_small_parts_become_one_block() -> None:
    parts = [Part(3, b"abc"), Part(2, b"de")]
    assert list(blocks(parts, _Store().open)) == [b"abcde"]


def test_what_is_known_goes_out_before_more_is_waited_for() -> None:
    begun, store = [Part(5, b"begun")], _Store()
    package = GrowingPackage(begun)
    found = blocks(package, store.open)
    assert next(found) == b"begun", "held back until the rest came"
    package.complete([*begun, Part(4, b"rest")])
    package.end()
    assert list(found) == [b"rest"]


def test_an_abandoned_package_ends_its_readers() -> None:
    package = GrowingPackage([Part(5, b"begun")])
    package.abandon()
    with pytest.raises(AbandonedError):
        list(blocks(package, _Store().open))


def test_a_changed_object_is_found() -> None:
    store = _Store()
    part = store.keep(b"as it was")
    assert read_whole([part], store.open)
    store[str(part.sha256)] = b"as it is!"
    with pytest.raises(StoredBytesChangedError):
        read_whole([part], store.open)
