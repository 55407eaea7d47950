"""Taking a package apart into the objects it was laid out from (pure)."""

import zipfile
from collections.abc import Mapping
from typing import BinaryIO

from services.evidence.package.layout import Part

_LOCAL_HEADER = 30


def laid_out(package: BinaryIO, objects: Mapping[str, str]) -> list[Part]:
    """The parts of a package: its literal bytes and, by path → SHA-256, the objects between them.

    package: verified before, so that its form is the one permitted. Raises KeyError for a path that is not
    in it, zipfile.BadZipFile.
    """
    with zipfile.ZipFile(package) as archive:
        members = sorted((archive.getinfo(path) for path in objects), key=lambda item: item.header_offset)
    parts: list[Part] = []
    package.seek(0)
    for member in members:
        if member.file_size == 0:
            continue
        start = member.header_offset + _LOCAL_HEADER + len(member.filename.encode())
        literal = package.read(start - package.tell())
        if literal:
            parts.append(Part(len(literal), data=literal))
        parts.append(Part(member.file_size, sha256=objects[member.filename]))
        package.seek(start + member.file_size)
    literal = package.read()
    if literal:
        parts.append(Part(len(literal), data=literal))
    return parts
