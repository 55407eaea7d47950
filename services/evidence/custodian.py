"""The custodian as seen from here: witness of the log, keeper of a copy. Protocol: docs/custodian.md."""

import asyncio
import base64
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from services.common.dsse import verify_signature
from services.common.problems import Problem
from services.evidence.log.notes import NoteError, NoteKey, parse_vkey, verify_line
from services.evidence.package.upload import Upload, UploadFailedError

RECEIPT_TYPE = "application/vnd.wangjian.receipt+json"
_UPLOADS = 8
_TIMEOUT = httpx.Timeout(30.0, connect=3.0)


@dataclass(frozen=True)
class PinnedCustodian:
    """A custodian as pinned: its name, witness key and receipt key."""

    name: str
    witness: NoteKey
    receipt_key: Ed25519PublicKey
    development: bool


def read_custodian(path: Path) -> PinnedCustodian:
    """The custodian in an identity file. Raises OSError, ValueError, KeyError."""
    document = json.loads(path.read_text("utf-8"))
    key = load_der_public_key(base64.b64decode(document["receipt_key"], validate=True))
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("the custodian's receipt key is not Ed25519")
    return PinnedCustodian(
        document["name"], parse_vkey(document["witness_vkey"]), key, bool(document.get("development"))
    )


class WitnessIsAheadError(Exception):
    """The custodian last cosigned a tree of `size` leaves, not the one we thought."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the witness is at {size}")
        self.size = size


class CustodianClient:
    """Calls to one custodian over a kept-open connection; every answer is checked with its pinned keys."""

    def __init__(self, url: str, pinned: PinnedCustodian) -> None:
        self._url, self._uploads = url, ThreadPoolExecutor(_UPLOADS, "custodian")
        unix = url.startswith("unix:")
        transport = httpx.AsyncHTTPTransport(uds=url.removeprefix("unix:")) if unix else None
        self.pinned = pinned
        self._client = httpx.AsyncClient(
            transport=transport, base_url="http://custodian" if unix else url, timeout=_TIMEOUT
        )

    async def close(self) -> None:
        """Close the connections; an upload that runs ends by itself."""
        self._uploads.shutdown(wait=False, cancel_futures=True)
        await self._client.aclose()

    async def cosign(self, old: int, proof: list[bytes], note: str) -> str:
        """The custodian's cosignature line over a checkpoint (C2SP tlog-witness add-checkpoint).

        Raises WitnessIsAheadError (409), Problem 503 `evidence.custodian_unavailable`,
        502 `evidence.log_fork` (422: our log does not extend what it saw) and `evidence.custodian_refused`.
        """
        lines = [f"old {old}", *(base64.b64encode(item).decode() for item in proof), ""]
        body = ("\n".join(lines) + "\n" + note).encode()
        response = await self._post("/v1/add-checkpoint", body)
        if response.status_code == 409:
            raise WitnessIsAheadError(int(response.text.strip() or "0"))
        if response.status_code == 422:
            raise log_fork()
        if response.status_code != 200:
            raise _refused(f"add-checkpoint: {response.status_code}")
        return self._checked_line(note, response.text)

    def _checked_line(self, note: str, line: str) -> str:
        key, checkpoint = self.pinned.witness, note.rpartition("\n\n")[0] + "\n"
        parts = line.split(" ")
        try:
            if len(parts) != 3 or parts[1] != key.name or not line.endswith("\n"):
                raise NoteError("not a cosignature line")
            blob = base64.b64decode(parts[2].rstrip("\n"), validate=True)
            if blob[:4] != key.key_id:
                raise NoteError("of another key")
            verify_line(checkpoint, key, blob)
        except ValueError as error:
            raise _refused(f"cosignature: {error}") from error
        return line

    async def _post(self, path: str, body: bytes) -> httpx.Response:
        try:
            return await self._client.post(path, content=body)
        except httpx.TransportError as error:
            raise _unavailable() from error

    async def store(self, evidence_id: str, size: int, blocks: Iterator[bytes]) -> dict[str, Any]:
        """Hand over a package; gives the signed receipt (a DSSE envelope) after checking its signature.

        blocks are taken in a thread; what taking them raises is passed on.
        Raises Problem 503 `evidence.custodian_unavailable`, 502 `evidence.custodian_refused`.
        """
        upload = Upload(self._url, f"/v1/packages/{evidence_id}", size)
        loop = asyncio.get_running_loop()
        try:
            status, body = await loop.run_in_executor(self._uploads, upload.run, blocks)
        except UploadFailedError as error:
            raise _unavailable() from error
        if status != 200:
            raise _refused(body[:500].decode("utf-8", "replace"))
        receipt: dict[str, Any] = json.loads(body)
        self.receipt_payload(receipt)
        return receipt

    def receipt_payload(self, receipt: dict[str, Any]) -> dict[str, Any]:
        """What a receipt says. Raises Problem 502 `evidence.custodian_refused` when it is not genuine."""
        try:
            if receipt["payloadType"] != RECEIPT_TYPE:
                raise ValueError("not a receipt")
            payload = verify_signature(receipt, self.pinned.receipt_key)  # type: ignore[arg-type]
        except (InvalidSignature, ValueError, KeyError, TypeError) as error:
            raise _refused(f"receipt: {error}") from error
        return dict(json.loads(payload))


def _unavailable() -> Problem:
    return Problem(
        "evidence.custodian_unavailable",
        503,
        zh="第三方存证机构暂时不可用,证据已登记并排队等待",
        en="the custodian is not available; the evidence is logged and waits",
        todo_zh="无需操作,恢复后系统自动继续",
        todo_en="nothing to do: sealing goes on by itself once it is back",
    )


def _refused(reason: str) -> Problem:
    return Problem(
        "evidence.custodian_refused",
        502,
        zh="第三方存证机构拒绝接收",
        en=f"the custodian refused: {reason}",
        todo_zh="请通知系统管理员核对双方密钥与信任配置",
        todo_en="ask the system administrator to compare keys and trust on both sides",
    )


def log_fork() -> Problem:
    """502: the log must not sign on until someone has looked."""
    return Problem(
        "evidence.log_fork",
        502,
        zh="存证日志与第三方见证的历史不一致,已停止固证",
        en="the log does not extend the history the custodian witnessed; sealing has stopped",
        todo_zh="可能由恢复旧备份引起,请立即通知系统管理员核查,切勿删除任何数据",
        todo_en="perhaps an old backup was restored: have it looked into at once and delete nothing",
    )
