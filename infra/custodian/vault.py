"""The custodian's store: whole packages by their SHA-256, one receipt an evidence item, never overwritten."""

import base64
import errno
import hashlib
import io
import json
import os
import re
import secrets
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

from infra.custodian.arrival import Arrival
from infra.custodian.identity import Identity, sync_folder, write_synced
from services.common.canonical import canonical
from services.common.dsse import sign_envelope
from services.evidence.objects.disk import make_fan
from services.evidence.verification import verifier

RECEIPT_TYPE = "application/vnd.wangjian.receipt+json"
PACKAGE_LIMIT = 0xFFFF_FFFF
TAKEN_AT_ONCE = 64
"""Packages that are taken at the same time; more wait."""
EVIDENCE_ID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")


class RefusedError(Exception):
    """The package is not taken; `status` is the HTTP status, the message says why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


# Kept, because to start and to end a thread takes as long as a sync. Nobody waits for a free one here:
# packages that are taken at once are as many at most.
_SYNCING = ThreadPoolExecutor(TAKEN_AT_ONCE, "sync")


class Vault:
    """Packages and receipts below `root`, verified under `trust`."""

    def __init__(self, root: Path, identity: Identity, trust: dict[str, Any]) -> None:
        self._root, self._identity, self.trust = root, identity, trust
        self._lock = threading.Lock()
        for name in ("tmp", "receipts"):
            (root / name).mkdir(parents=True, exist_ok=True)
        make_fan(root / "sha256")

    def begin(self) -> Arrival:
        """A file to receive a package into. Raises RefusedError 507."""
        with _full_is_refused():
            return Arrival(self._root / "tmp" / secrets.token_hex(12), PACKAGE_LIMIT)

    def receive(self, arrival: Arrival, data: bytes) -> None:
        """Take bytes as they come. Raises RefusedError 413 and 507."""
        with _full_is_refused():
            try:
                arrival.receive(data)
            except ValueError as error:
                raise RefusedError(413, str(error)) from error

    def preview(self, proofs: bytes) -> None:
        """Verify what is known of a package before the rest of it: a ZIP with nothing but its first proofs.

        Nothing comes of it but that the verifier remembers what it checked: `take` verifies all the same.
        """
        verifier.verify(io.BytesIO(proofs), self.trust, package_sm3=False)

    def take(self, evidence_id: str, arrival: Arrival) -> bytes:
        """Verify a package under our own trust while it arrives, keep it, give the signed receipt (JSON).

        A package taken before gives its first receipt again. Raises RefusedError 409, 422 or 507, and
        CutShortError when the package never arrives whole.
        """
        with _full_is_refused():
            synced = _SYNCING.submit(arrival.sync)
            try:
                report = self._verify(arrival)
            finally:
                wait([synced])
            synced.result()
            self._check(evidence_id, report)
            return self._keep(evidence_id, arrival.path, report)

    def _verify(self, arrival: Arrival) -> dict[str, Any]:
        """The report on all that came: of a package that seemed to end earlier than it did, made again."""
        reader = cast(BinaryIO, arrival)
        try:
            report = verifier.verify(reader, self.trust, package_sm3=False)
        except verifier.Unreadable:
            arrival.ended()
        else:
            if report["package"]["bytes"] == arrival.ended():
                return report
        return verifier.verify(reader, self.trust, package_sm3=False)

    def _check(self, evidence_id: str, report: dict[str, Any]) -> None:
        if report["verdict"] != "VALID":
            failed = [f"{c['code']} ({c['detail']})" for c in report["checks"] if not c["ok"]]
            raise RefusedError(422, "not valid: " + "; ".join(failed[:3]))
        if report["evidence_id"] != evidence_id:
            raise RefusedError(422, "the package is of another evidence item")

    def _keep(self, evidence_id: str, path: Path, report: dict[str, Any]) -> bytes:
        sha256 = report["package"]["sha256"]
        with self._lock:
            known = self.receipt(evidence_id)
            if known is not None:
                if json.loads(_payload(known))["package_sha256"] != sha256:
                    raise RefusedError(409, "another package is already kept for this evidence item")
                return known
            target = self.package_path(sha256)
            if not target.exists():
                path.chmod(0o444)
                os.link(path, target)
            sync_folder(target.parent)
            receipt = self._receipt(report)
            write_synced(self._root / "receipts" / f"{evidence_id}.json", receipt)
            return receipt

    def _receipt(self, report: dict[str, Any]) -> bytes:
        payload = canonical(
            {
                "v": 1,
                "custodian": self._identity.name,
                "evidence_id": report["evidence_id"],
                "evidence_no": report["evidence_no"],
                "package_sha256": report["package"]["sha256"],
                "package_bytes": report["package"]["bytes"],
                "log_index": report["facts"]["log_index"],
                "verdict": report["verdict"],
                "stored_at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            }
        )
        envelope: dict[str, Any] = {**sign_envelope(self._identity.receipts, payload, RECEIPT_TYPE)}
        return canonical(envelope)

    def receipt(self, evidence_id: str) -> bytes | None:
        """The receipt given for an item, if any."""
        if not EVIDENCE_ID.fullmatch(evidence_id):
            return None
        file = self._root / "receipts" / f"{evidence_id}.json"
        return file.read_bytes() if file.exists() else None

    def receipts_after(self, after: str, limit: int) -> tuple[list[bytes], bool]:
        """Receipts of items with an id above `after`, in order, at most `limit`; and whether more follow."""
        names = sorted(
            file.stem
            for file in (self._root / "receipts").iterdir()
            if file.suffix == ".json" and EVIDENCE_ID.fullmatch(file.stem) and file.stem > after
        )
        found = [(self._root / "receipts" / f"{name}.json").read_bytes() for name in names[:limit]]
        return found, len(names) > limit

    def answer(self, evidence_id: str, nonce: bytes, ranges: Sequence[tuple[int, int]]) -> list[str]:
        """SHA-256(nonce || bytes) of each range (first byte, length) of a kept package, read now from disk.

        Raises RefusedError 404 without a package, 410 when its file is gone, 416 outside it.
        """
        path = self.package_of(evidence_id)
        if path is None:
            raise RefusedError(404, "nothing is kept for this id")
        try:
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                if any(start < 0 or length < 1 or start + length > size for start, length in ranges):
                    raise RefusedError(416, f"a range lies outside the {size} bytes")
                return [_salted(file, nonce, start, length) for start, length in ranges]
        except FileNotFoundError as error:
            raise RefusedError(410, "the package is not where it was kept") from error

    def package_path(self, sha256: str) -> Path:
        """Where the package with this digest lies."""
        return self._root / "sha256" / sha256[:2] / f"{sha256}.wacz"

    def package_of(self, evidence_id: str) -> Path | None:
        """The kept package of an item, if any."""
        receipt = self.receipt(evidence_id)
        if receipt is None:
            return None
        return self.package_path(json.loads(_payload(receipt))["package_sha256"])


def _salted(file: BinaryIO, nonce: bytes, start: int, length: int) -> str:
    digest = hashlib.sha256(nonce)
    file.seek(start)
    while length > 0 and (block := file.read(min(length, 1 << 20))):
        digest.update(block)
        length -= len(block)
    return digest.hexdigest()


@contextmanager
def _full_is_refused() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise RefusedError(507, "the custodian's store is full") from error
        raise


def _payload(receipt: bytes) -> bytes:
    return base64.b64decode(json.loads(receipt)["payload"])
