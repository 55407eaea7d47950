"""A custodian as seen from here: witness of the log, keeper of a copy. Protocol: docs/custodian.md."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import structlog
from cryptography.exceptions import InvalidSignature

from services.common.dsse import verify_signature
from services.common.problems import Problem
from services.common.suites import PublicKey
from services.evidence.exchange import BrokenOffError, Exchanges
from services.evidence.log.notes import NoteError, NoteKey, parse_vkey, verify_line
from services.evidence.package.upload import Upload, UploadFailedError

logger = structlog.get_logger()

RECEIPT_TYPE = "application/vnd.wangjian.receipt+json"
_UPLOADS = 8
# The witness answers from memory after one write to its disk: one that takes longer counts as away.
_SECONDS = 10.0
_TIMEOUT = aiohttp.ClientTimeout(total=_SECONDS, connect=3.0)
# A small package is whole and verified when its upload ends.
_STORED_SECONDS = 30.0
_MOST_BYTES = 16 << 20


@dataclass(frozen=True)
class PinnedCustodian:
    """A custodian as pinned: its name, who operates it, witness key and receipt key."""

    name: str
    operator: str
    witness: NoteKey
    receipt_key: PublicKey
    development: bool


def read_custodian(path: Path) -> PinnedCustodian:
    """The custodian in an identity file. Raises OSError, ValueError, KeyError.

    A file without `operator` (protocol version 1 before operators were counted) has its name as operator.
    """
    document = json.loads(path.read_text("utf-8"))
    return PinnedCustodian(
        str(document["name"]),
        str(document.get("operator") or document["name"]),
        parse_vkey(document["witness_vkey"]),
        PublicKey.of_der(base64.b64decode(document["receipt_key"], validate=True)),
        bool(document.get("development")),
    )


class WitnessIsAheadError(Exception):
    """The custodian last cosigned a tree of `size` leaves, not the one we thought."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the witness is at {size}")
        self.size = size


@dataclass(frozen=True)
class Receipt:
    """A receipt whose signature was checked: the DSSE envelope, and what it says."""

    envelope: dict[str, Any]
    stated: dict[str, Any]


@dataclass(frozen=True)
class _Answer:
    status: int
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


class CustodianClient:
    """Calls to one custodian over kept-open connections; every answer is checked with its pinned keys."""

    def __init__(self, url: str, pinned: PinnedCustodian) -> None:
        self._url, self._uploads = url, ThreadPoolExecutor(_UPLOADS, "custodian")
        self._base = "http://custodian" if url.startswith("unix:") else url.rstrip("/")
        self._session: aiohttp.ClientSession | None = None
        self._exchanges = Exchanges(url)
        self.pinned = pinned

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector: aiohttp.BaseConnector = aiohttp.TCPConnector()
            if self._url.startswith("unix:"):
                connector = aiohttp.UnixConnector(self._url.removeprefix("unix:"))
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=_TIMEOUT,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            )
        return self._session

    async def close(self) -> None:
        """Close the connections; an upload that runs ends by itself."""
        self._uploads.shutdown(wait=False, cancel_futures=True)
        self._exchanges.close()
        if self._session is not None:
            await self._session.close()

    async def cosign(self, old: int, proof: Sequence[bytes], note: str) -> str:
        """The custodian's cosignature line over a checkpoint (C2SP tlog-witness add-checkpoint).

        Raises WitnessIsAheadError (409), Problem 503 `evidence.custodian_unavailable`,
        502 `evidence.log_fork` (422: our log does not extend what it saw), 502 `evidence.log_unknown`
        (404: it does not know this log yet) and `evidence.custodian_refused`.
        """
        lines = [f"old {old}", *(base64.b64encode(item).decode() for item in proof), ""]
        body = ("\n".join(lines) + "\n" + note).encode()
        try:
            # A repetition is answered with the size it then has.
            answer = _Answer(*await self._exchanges.call("POST", "/v1/add-checkpoint", body, _SECONDS))
        except (BrokenOffError, TimeoutError) as error:
            raise _unavailable() from error
        if answer.status == 409:
            raise WitnessIsAheadError(_size_in(answer.text))
        if answer.status == 422:
            raise log_fork()
        if answer.status == 404:
            raise _unknown_log(self.pinned.name)
        if answer.status == 503:
            raise _unavailable()
        if answer.status != 200:
            raise _refused(f"add-checkpoint: {answer.status}")
        return self._checked_line(note, answer.text)

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

    async def _ask(
        self, method: str, path: str, body: bytes | None = None, query: dict[str, str] | None = None
    ) -> _Answer:
        try:
            async with self._open().request(method, self._base + path, data=body, params=query) as response:
                content = await response.content.read(_MOST_BYTES)
                return _Answer(response.status, content)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise _unavailable() from error

    async def _json(
        self, method: str, path: str, body: bytes | None = None, query: dict[str, str] | None = None
    ) -> Any:
        answer = await self._ask(method, path, body, query)
        if answer.status == 503:
            raise _unavailable()
        if answer.status != 200:
            raise _refused(f"{path}: {answer.status} {answer.text[:300]}")
        try:
            return json.loads(answer.body)
        except ValueError as error:
            raise _refused(f"{path}: not JSON") from error

    async def store(self, evidence_id: str, blocks: Iterator[bytes]) -> Receipt:
        """Hand over a package; gives the signed receipt after checking its signature.

        blocks are taken in a thread; what taking them raises is passed on.
        Raises Problem 503 `evidence.custodian_unavailable`, 502 `evidence.custodian_refused`.
        """
        upload = Upload(self._url, f"/v1/packages/{evidence_id}")
        loop = asyncio.get_running_loop()
        try:
            status, body = await loop.run_in_executor(self._uploads, upload.run, blocks)
        except UploadFailedError as error:
            raise _unavailable() from error
        return self._receipt(status, body)

    async def store_small(self, evidence_id: str, pieces: AsyncIterator[bytes]) -> Receipt:
        """The same from the event loop, without a thread: for a package of at most a few MB."""
        try:
            found = await self._exchanges.put(f"/v1/packages/{evidence_id}", pieces, _STORED_SECONDS)
        except (BrokenOffError, TimeoutError) as error:
            raise _unavailable() from error
        return self._receipt(*found)

    async def preview(self, evidence_id: str, proofs: bytes) -> None:
        """Show the first proofs of a package on its way, so that its verification takes less time later.

        proofs: a ZIP of them. Whether it was of any use is not known: one who is away, or knows no previews,
        verifies all of it later.
        """
        path = f"/v1/packages/{evidence_id}/preview"
        try:
            await self._exchanges.call("POST", path, proofs, _SECONDS)
        except (BrokenOffError, TimeoutError) as error:
            logger.debug("custodian.no_preview", custodian=self.pinned.name, reason=str(error))

    def _receipt(self, status: int, body: bytes) -> Receipt:
        if status == 503:
            raise _unavailable()
        if status != 200:
            raise _refused(body[:500].decode("utf-8", "replace"))
        receipt: dict[str, Any] = json.loads(body)
        return Receipt(receipt, self.receipt_payload(receipt))

    def receipt_payload(self, receipt: dict[str, Any]) -> dict[str, Any]:
        """What a receipt says. Raises Problem 502 `evidence.custodian_refused` when it is not genuine."""
        try:
            if receipt["payloadType"] != RECEIPT_TYPE:
                raise ValueError("not a receipt")
            payload = verify_signature(receipt, self.pinned.receipt_key)
        except (InvalidSignature, ValueError, KeyError, TypeError) as error:
            raise _refused(f"receipt: {error}") from error
        return dict(json.loads(payload))

    async def last_seen(self, origin: str) -> str | None:
        """The newest checkpoint of a log it cosigned, as the note it was given; None when it knows none.

        Raises Problem 503, 502.
        """
        answer = await self._ask("GET", "/v1/checkpoint", query={"origin": origin})
        if answer.status == 404:
            return None
        if answer.status == 503:
            raise _unavailable()
        if answer.status != 200:
            raise _refused(f"checkpoint: {answer.status}")
        return answer.text

    async def copies(self, after: str, limit: int = 1000) -> list[dict[str, Any]]:
        """What it keeps, by evidence id above `after`: the receipts' payloads. Raises Problem 503, 502."""
        found = await self._json("GET", "/v1/packages", query={"after": after, "limit": str(limit)})
        return [self.receipt_payload(receipt) for receipt in found["receipts"]]

    async def challenge(
        self, evidence_id: str, nonce: bytes, ranges: Sequence[tuple[int, int]]
    ) -> list[str] | None:
        """SHA-256(nonce || bytes) for each range (first byte, length) of its copy; None when it has none.

        Only one who holds the bytes can answer. Raises Problem 503, 502.
        """
        body = json.dumps({"nonce": nonce.hex(), "ranges": [list(item) for item in ranges]}).encode()
        answer = await self._ask("POST", f"/v1/packages/{evidence_id}/challenge", body)
        if answer.status in (404, 410):
            return None
        if answer.status == 503:
            raise _unavailable()
        if answer.status != 200:
            raise _refused(f"challenge: {answer.status} {answer.text[:300]}")
        return [str(item) for item in json.loads(answer.body)["sha256"]]

    async def package(self, evidence_id: str) -> bytes | None:
        """Its copy of a small package (at most 16 MiB); None without one. Raises Problem 503."""
        answer = await self._ask("GET", f"/v1/packages/{evidence_id}")
        return answer.body if answer.status == 200 and len(answer.body) < _MOST_BYTES else None

    async def fetch(self, evidence_id: str, write: Callable[[bytes], object]) -> bool:
        """Its copy of a package, block by block into `write`; False without one. Raises Problem 503, 502."""
        path = f"/v1/packages/{evidence_id}"
        patience = aiohttp.ClientTimeout(total=None, sock_connect=5.0, sock_read=30.0)
        try:
            async with self._open().get(self._base + path, timeout=patience) as response:
                if response.status in (404, 410):
                    return False
                if response.status != 200:
                    raise _refused(f"{path}: {response.status}")
                async for block in response.content.iter_chunked(1 << 20):
                    write(block)
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            raise _unavailable() from error
        return True

    async def succeed(self, entry: bytes, proof: str) -> None:
        """Show it the freeze entry that names the next log, with its tlog-proof. Raises Problem 503, 502."""
        document = {"entry": base64.b64encode(entry).decode(), "proof": proof}
        await self._json("POST", "/v1/logs", json.dumps(document).encode())


def _size_in(text: str) -> int:
    size = text.strip()
    if not size.isascii() or not size.isdigit() or len(size) > 16:
        raise _refused("add-checkpoint: 409 without a size")
    return int(size)


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


def _unknown_log(name: str) -> Problem:
    return Problem(
        "evidence.log_unknown",
        502,
        zh=f"第三方存证机构 {name} 尚未登记本存证日志",
        en=f"the custodian {name} does not know this log yet",
        todo_zh="请将信任文件中的日志公钥交给该机构登记(docs/custodian.md)",
        todo_en="have it accept the log's public key from the trust file (docs/custodian.md)",
    )


def log_fork() -> Problem:
    """502: the log must not sign on until someone has looked."""
    return Problem(
        "evidence.log_fork",
        502,
        zh="存证日志与第三方见证的历史不一致,已停止固证",
        en="the log does not extend the history the custodian witnessed; sealing has stopped",
        todo_zh="可能由恢复旧备份引起,请立即通知系统管理员核查(wangjian log reconcile),切勿删除任何数据",
        todo_en="perhaps an old backup was restored: have it looked into at once (wangjian log reconcile)"
        " and delete nothing",
    )
