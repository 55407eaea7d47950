"""Which artefacts are taken."""

import re
from dataclasses import dataclass

from services.common.problems import Problem

# One folder deep: `wacz validate` compares the last two parts of a path only and calls deeper files unlisted.
_PATH = re.compile(r"(archive|indexes|pages|evidence)/[a-z0-9][a-z0-9_-]*(\.[a-z0-9_-]+)+")
_RESERVED = re.compile(r"evidence/(manifest\.dsse\.json|redaction\.json|log\..*|tst-.*)")
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,60}/[a-z0-9][a-z0-9.+-]{0,60}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
LONGEST_PATH = 100


@dataclass(frozen=True, slots=True)
class Received:
    """An artefact as it was received: digests in lowercase hex, size in bytes, CRC-32 for the ZIP."""

    path: str
    media_type: str
    bytes: int
    sha256: str
    sm3: str
    crc32: int


def check_path(path: str) -> None:
    """Raise Problem 422 `intake.path_refused` unless the path may stand in a package."""
    if len(path) > LONGEST_PATH or not _PATH.fullmatch(path) or _RESERVED.fullmatch(path):
        raise Problem(
            "intake.path_refused",
            422,
            zh=f"文件路径不符合证据包规则:{path[:120]}",
            en=f"this path cannot stand in an evidence package: {path[:120]}",
            todo_zh="路径应为 archive|indexes|pages|evidence 之下一级,小写字母、数字、点、横线,且含扩展名",
            todo_en="archive|indexes|pages|evidence, then one name of lower-case letters, digits, dot, dash",
        )


def check_digests(sha256: str, sm3: str) -> None:
    """Raise Problem 422 `intake.digest_malformed` unless both are 64 lowercase hex digits."""
    if not _DIGEST.fullmatch(sha256) or not _DIGEST.fullmatch(sm3):
        raise Problem(
            "intake.digest_malformed",
            422,
            zh="缺少 X-Sha256 或 X-Sm3,或格式有误",
            en="X-Sha256 or X-Sm3 is missing or not 64 lowercase hex digits",
        )


def media_type(header: str) -> str:
    """The bare media type of a Content-Type header; `application/octet-stream` when it has none."""
    bare = header.partition(";")[0].strip().lower()
    return bare if _MEDIA_TYPE.fullmatch(bare) else "application/octet-stream"


def digest_mismatch(path: str) -> Problem:
    """422: the bytes that arrived are not those the worker hashed."""
    return Problem(
        "intake.digest_mismatch",
        422,
        zh=f"收到的内容与声明的摘要不一致:{path}",
        en=f"what arrived does not have the stated digests: {path}",
        todo_zh="请重新上传该文件",
        todo_en="upload the file again",
    )


def conflict(path: str) -> Problem:
    """409: a path once taken keeps its bytes."""
    return Problem(
        "intake.conflict",
        409,
        zh=f"该路径已收到不同内容,不能替换:{path}",
        en=f"other bytes were already taken under this path; they are not replaced: {path}",
    )
