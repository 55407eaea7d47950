"""Bytes, files and the ZIP container."""

import gzip
import hashlib
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator

import rfc8785

from tests.evidence_forger import regions, zip_of
from tests.evidence_matrix.world import CONSISTENCY, ENTRY, ENVELOPE, PROOF, Attempt, Case, World

_SPOTS: dict[str, Callable[[int], int]] = {
    "first": lambda size: 0,
    "middle": lambda size: size // 2,
    "last": lambda size: size - 1,
}
_ARTEFACTS = (
    "archive/data.warc.gz",
    "evidence/dom.html",
    "evidence/env.json",
    "evidence/page.png",
    "evidence/steps.jsonl",
    "evidence/text.txt",
    "evidence/tls-0.der",
    "indexes/index.cdxj",
    "pages/pages.jsonl",
)
# What must find a flipped byte in a proof whose container was repaired.
_PROOFS = {
    ENVELOPE: "log.entry",
    ENTRY: "log.entry",
    "evidence/tst-0.tsr": "log.entry",
    "evidence/tst-1.tsr": "log.entry",
}
_NAMES = {
    "an unlisted file": ("evidence/extra.txt", "artefacts.set"),
    "a name that climbs out (zip slip)": ("evidence/../evil.txt", "zip.members"),
    "an absolute name": ("/etc/passwd", "zip.members"),
    "a name with a backslash": ("evidence/x\\y.txt", "zip.members"),
    "a deeper folder": ("evidence/deep/er.txt", "zip.members"),
    "a name alike but for case": ("evidence/PAGE.png", "zip.members"),
    "a folder of its own": ("extra/file.txt", "zip.members"),
    "an unknown reserved name": ("evidence/log.other", "zip.members"),
    "a third time stamp that is none": ("evidence/tst-2.tsr", "timestamp.token"),
    "a time stamp out of number": ("evidence/tst-7.tsr", "zip.members"),
    "a time stamp with a leading zero": ("evidence/tst-02.tsr", "zip.members"),
    "a batch path without its time stamp": ("evidence/tst-9.path.json", "zip.members"),
    "an empty name": ("", "zip.members"),
}


def cases() -> Iterator[Case]:
    """All of them."""
    for name in (*_ARTEFACTS, *_PROOFS, PROOF, CONSISTENCY, "datapackage.json", "datapackage-digest.json"):
        for spot, place in _SPOTS.items():
            steady = name in _ARTEFACTS or name.startswith("datapackage")
            made = _flip(name, place)
            yield Case("bytes", f"{spot} byte of {name} flipped", "zip.crc", made, steady=steady)
    for name in _ARTEFACTS:
        for spot, place in _SPOTS.items():
            make = _careful_flip(name, place)
            yield Case(
                "bytes", f"{spot} byte of {name} flipped, container repaired", "artefacts.sha256", make
            )
    for name, code in _PROOFS.items():
        for spot, place in _SPOTS.items():
            made, said = _careful_flip(name, place), f"{spot} byte of {name} flipped, container repaired"
            yield Case("bytes", said, code, made, steady=False)
    yield from _files()
    yield from _zips()


def _flip(name: str, place: Callable[[int], int]) -> Callable[[World], Attempt]:
    def make(world: World) -> Attempt:
        inside = regions(world.package)[0][name]
        changed = bytearray(world.package)
        changed[inside[place(len(inside))]] ^= 1
        return Attempt(bytes(changed))

    return make


def _careful_flip(name: str, place: Callable[[int], int]) -> Callable[[World], Attempt]:
    def make(world: World) -> Attempt:
        changed = bytearray(world.files[name])
        changed[place(len(changed))] ^= 1
        return world.careful({name: bytes(changed)})

    return make


def _files() -> Iterator[Case]:
    png, text = "evidence/page.png", "evidence/text.txt"
    yield Case(
        "files", "an artefact cut short", "artefacts.size", lambda w: w.careful({png: w.files[png][:-1]})
    )
    yield Case(
        "files", "an artefact made longer", "artefacts.size", lambda w: w.careful({png: w.files[png] + b"\0"})
    )
    yield Case("files", "an artefact emptied", "artefacts.size", lambda w: w.careful({png: b""}))
    yield Case(
        "files",
        "two artefacts swapped",
        "artefacts.sha256",
        lambda w: w.careful({png: w.files[text], text: w.files[png]}),
    )
    yield Case(
        "files",
        "an artefact renamed",
        "artefacts.set",
        lambda w: w.careful({png: None, "evidence/page2.png": w.files[png]}),
    )
    yield Case(
        "files",
        "the web archive compressed anew, same content",
        "artefacts.sha256",
        lambda w: w.careful({"archive/data.warc.gz": _recompressed(w.files["archive/data.warc.gz"])}),
    )
    for name in _ARTEFACTS:
        code = "artefacts.set" if name.startswith("evidence/") else "zip.members"
        yield Case("files", f"{name} deleted", code, lambda w, n=name: w.careful({n: None}))
    for name in (ENVELOPE, ENTRY, PROOF, CONSISTENCY, "evidence/tst-0.tsr"):
        yield Case("files", f"{name} deleted", "zip.members", lambda w, n=name: w.careful({n: None}))
    for what, (name, code) in _NAMES.items():
        yield Case("files", f"added: {what}", code, lambda w, n=name: w.careful({n: b"x"}))
    for name in ("datapackage.json", "datapackage-digest.json"):
        yield Case(
            "files",
            f"{name} deleted",
            "zip.members",
            lambda w, n=name: Attempt(_plain(w, {k: v for k, v in w.files.items() if k != n})),
        )
        yield Case(
            "files",
            f"{name} with an added space",
            "datapackage.form",
            lambda w, n=name: Attempt(_plain(w, {**w.files, n: w.files[n] + b" "})),
        )
    yield Case(
        "files", "another page's title in the descriptors, digest repaired", "datapackage.form", _retitled
    )
    yield Case(
        "files",
        "pages.jsonl forged and both descriptors recomputed",
        "artefacts.sha256",
        lambda w: w.careful({"pages/pages.jsonl": w.files["pages/pages.jsonl"].replace(b"All", b"No")}),
        peer="py-wacz 0.6.0: old signedData beside new files is accepted",
    )


def _retitled(world: World) -> Attempt:
    document = rfc8785.dumps({**json.loads(world.files["datapackage.json"]), "title": "另一页面"})
    digest = {"hash": f"sha256:{hashlib.sha256(document).hexdigest()}", "path": "datapackage.json"}
    changed = {"datapackage.json": document, "datapackage-digest.json": rfc8785.dumps(digest)}
    return Attempt(_plain(world, {**world.files, **changed}))


def _plain(world: World, files: dict[str, bytes]) -> bytes:
    own = world.order(name for name in files if not name.startswith("datapackage"))
    names = [*own, *(n for n in ("datapackage.json", "datapackage-digest.json") if n in files)]
    return zip_of([(name, files[name]) for name in names])


def _recompressed(data: bytes) -> bytes:
    return gzip.compress(gzip.decompress(data), compresslevel=1, mtime=0)


def _zips() -> Iterator[Case]:
    def listed(world: World) -> list[tuple[str, bytes]]:
        return list(world.files.items())

    def zip_case(name: str, change: Callable[[World], bytes], code: str = "zip.structure") -> Case:
        return Case("zip", name, code, lambda w: Attempt(change(w)))

    yield zip_case("bytes before the ZIP", lambda w: b"x" + w.package)
    yield zip_case("a script before the ZIP", lambda w: b"#!/bin/sh\nexit 0\n" + w.package)
    yield zip_case("bytes after the ZIP", lambda w: w.package + b"x")
    yield zip_case("another ZIP after the ZIP", lambda w: w.package + zip_of([("a.txt", b"x")]))
    yield zip_case("cut short", lambda w: w.package[:-100])
    yield zip_case("end record alone", lambda w: w.package[-22:])
    yield zip_case("empty ZIP", lambda w: zip_of([]), "zip.members")
    yield zip_case("with a comment", lambda w: w.package[:-2] + b"\x01\x00x")
    yield zip_case("a gap before the central directory", _gap)
    yield zip_case("one file fewer in the central directory", _hidden)
    yield zip_case("compressed (deflate)", _deflated)
    yield zip_case("a file twice", lambda w: zip_of(_doubled(w)), "zip.members")
    yield zip_case(
        "a file twice with other content, last",
        lambda w: zip_of([*listed(w), ("evidence/page.png", b"o")]),
        "zip.members",
    )
    yield zip_case("files in another order", lambda w: zip_of(listed(w)[::-1]), "zip.members")
    yield zip_case("proofs before artefacts", lambda w: zip_of(sorted(listed(w))), "zip.members")
    for what, offset, value in (
        ("version made for", 4, 20),
        ("encrypted flag", 6, 1),
        ("data descriptor flag", 6, 8),
        ("UTF-8 flag", 6, 0x800),
        ("method", 8, 8),
        ("time", 10, 1),
        ("date", 12, 0x5821),
        ("extra field", 28, 4),
    ):
        yield zip_case(f"local header: other {what}", lambda w, o=offset, v=value: _patched(w.package, o, v))
    for what, offset in (
        ("creator", 4),
        ("flag", 8),
        ("method", 10),
        ("CRC", 16),
        ("size", 20),
        ("extra length", 30),
        ("comment length", 32),
        ("disk", 34),
        ("attributes", 38),
        ("offset", 42),
        ("name", 46),
    ):
        yield zip_case(f"central directory: other {what}", lambda w, o=offset: _central(w.package, o))
    for what, offset in (("disk", 4), ("count on this disk", 8), ("count", 10), ("size", 12), ("offset", 16)):
        yield zip_case(f"end record: other {what}", lambda w, o=offset: _ended(w.package, o))


def _patched(package: bytes, offset: int, value: int) -> bytes:
    return package[:offset] + struct.pack("<H", value) + package[offset + 2 :]


def _central(package: bytes, offset: int) -> bytes:
    start = struct.unpack("<I", package[-6:-2])[0] + offset
    return package[:start] + bytes([package[start] ^ 1]) + package[start + 1 :]


def _ended(package: bytes, offset: int) -> bytes:
    at = len(package) - 22 + offset
    return package[:at] + bytes([package[at] ^ 1]) + package[at + 1 :]


def _gap(world: World) -> bytes:
    end = struct.unpack("<I", world.package[-6:-2])[0]
    return world.package[:end] + b"\x00" + world.package[end:]


def _hidden(world: World) -> bytes:
    """A local file that the central directory does not name."""
    whole = world.repack({**world.files, "archive/a.txt": b"hidden"})
    hidden = struct.pack("<IHHHHHIIIHH", 0x04034B50, 10, 0, 0, 0, 0x21, zlib.crc32(b"hidden"), 6, 6, 13, 0)
    return hidden + b"archive/a.txthidden" + whole


def _doubled(world: World) -> list[tuple[str, bytes]]:
    files = list(world.files.items())
    at = next(place for place, (name, _) in enumerate(files) if name == "evidence/page.png")
    return [*files[:at], ("evidence/page.png", b"other"), *files[at:]]


def _deflated(world: World) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in world.files.items():
            package.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
