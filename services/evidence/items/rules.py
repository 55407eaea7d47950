"""Decisions of sealing, free of I/O: is it the intake's manifest, what is the number, what is logged."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from cryptography.exceptions import InvalidSignature

from services.common.canonical import canonical
from services.common.dsse import IN_TOTO, Envelope, verify_signature
from services.common.merkle import merkle_root
from services.common.problems import Problem
from services.common.suites import PublicKey
from services.evidence.intakes.rules import Received
from services.evidence.orders.rules import LoggedOrder
from services.evidence.package.layout import LIMIT_BYTES
from services.evidence.verification.verifier import REQUIRED, Failed, moment, parse_manifest

# Numbers count by the year of official time, China Standard Time.
_CST = timezone(timedelta(hours=8))
_ROOM_FOR_PROOFS = 64 << 20


def refused(reason_zh: str, reason_en: str) -> Problem:
    """422: the manifest does not describe what was received."""
    return Problem(
        "evidence.manifest_refused",
        422,
        zh=f"证据清单未通过核对:{reason_zh}",
        en=f"the manifest was refused: {reason_en}",
    )


def signers_of(envelope: Mapping[str, Any]) -> list[str]:
    """The key ids a submission says it is signed with; none for a malformed one."""
    signatures = envelope.get("signatures")
    listed = signatures if isinstance(signatures, list) else []
    return [str(item.get("keyid")) for item in listed[:8] if isinstance(item, dict)]


def open_submission(
    envelope: Mapping[str, Any], workers: Sequence[PublicKey], suites: Sequence[str]
) -> tuple[Envelope, dict[str, Any]]:
    """The worker's envelope (with its signatures alone, one in each suite) and its checked statement.

    Raises Problem 422 `evidence.manifest_refused` for a foreign key, a bad signature or a malformed manifest.
    """
    known = {worker.keyid: worker for worker in workers}
    try:
        own = [item for item in envelope["signatures"] if item["keyid"] in known][: len(suites)]
        if [known[item["keyid"]].suite for item in own] != list(suites):
            raise ValueError(f"needs a signature in {' and '.join(suites)}")
        bare: Envelope = {
            "payloadType": envelope["payloadType"],
            "payload": envelope["payload"],
            "signatures": [{"keyid": item["keyid"], "sig": item["sig"]} for item in own],
        }
        payloads = [verify_signature(bare, known[item["keyid"]]) for item in own]
        if bare["payloadType"] != IN_TOTO:
            raise ValueError("payload type")
    except (InvalidSignature, ValueError, KeyError, TypeError) as error:
        raise refused("不是已登记采集节点的有效签名", f"not signed by a known worker ({error})") from error
    try:
        return bare, parse_manifest(payloads[0])
    except (Failed, KeyError, TypeError, AttributeError) as error:
        raise refused(f"格式不符({error})", str(error)) from error


def check_against_intake(
    statement: Mapping[str, Any],
    order: LoggedOrder,
    artefacts: list[Received],
    worker_keyids: list[str],
    policy: str,
) -> None:
    """Raise Problem 422 unless the statement describes exactly this order's intake, under this policy."""
    predicate = statement["predicate"]
    if predicate["evidence_id"] != order.id:
        raise refused("证据编号与任务不一致", "evidence_id is not the order's")
    if predicate["target"].get("requested_url") != order.url:
        raise refused("采集网址与任务不一致", "requested_url is not the order's")
    if predicate["policy_id"] != policy:
        raise refused("策略编号不符", "unknown policy_id")
    if predicate["key_ids"] != worker_keyids:
        raise refused("未列明采集节点密钥", "key_ids are not the worker's keys")
    if sum(row.bytes for row in artefacts) > LIMIT_BYTES - _ROOM_FOR_PROOFS:
        raise refused("文件总量超过证据包上限(4 GiB)", "the artefacts exceed what a package may hold (4 GiB)")
    _check_times(predicate["times"])
    _check_artefacts(statement, artefacts)


def _check_times(times: Mapping[str, Any]) -> None:
    try:
        ordered = moment(times["start"]) <= moment(times["end"])
    except Failed as error:
        raise refused("时间格式不符", str(error)) from error
    if not ordered:
        raise refused("结束时间早于开始时间", "the capture ends before it starts")


def _check_artefacts(statement: Mapping[str, Any], artefacts: list[Received]) -> None:
    listed = statement["predicate"]["artifacts"]
    subject = [{"name": a["path"], "digest": {"sha256": a["sha256"], "sm3": a["sm3"]}} for a in listed]
    if statement["subject"] != subject:
        raise refused("subject 与文件清单不一致", "subject differs from the artefact list")
    if [a["path"] for a in listed] != sorted(row.path for row in artefacts):
        raise refused("清单与已收到的文件不一致", "the list is not the received artefacts in order of path")
    for stated, row in zip(listed, artefacts, strict=True):
        if (stated["bytes"], stated["sha256"], stated["sm3"]) != (row.bytes, row.sha256, row.sm3):
            raise refused(f"{row.path} 的长度或摘要不一致", f"size or digests of {row.path} differ")
    if merkle_root([canonical(a) for a in listed]).hex() != statement["predicate"]["merkle"]["root"]:
        raise refused("默克尔根与文件清单不一致", "the Merkle root is not that of the artefact list")
    missing = [path for path in REQUIRED if path not in {row.path for row in artefacts}]
    if missing:
        raise refused(f"缺少必备文件 {missing[0]}", f"{missing[0]} is required")


def seal_entry(evidence_id: str, number: str, envelope: bytes, stamps: list[bytes]) -> bytes:
    """The log entry of a seal: binds id, number, signed envelope, the artefacts' Merkle root and time stamps.

    Decision: the number stands in the logged entry (and so in the package), because a number that only a
    database knows could be moved to another item. It is given out in the transaction that queues this entry.
    """
    return canonical(
        {
            "v": 2,
            "kind": "seal",
            "evidence_id": evidence_id,
            "evidence_no": number,
            "envelope_sha256": hashlib.sha256(envelope).hexdigest(),
            "merkle_root": predicate_of(envelope)["merkle"]["root"],
            "stamps_sha256": [hashlib.sha256(item).hexdigest() for item in stamps],
        }
    )


def log_ref(evidence_id: str) -> str:
    """The queue name of an item's seal entry."""
    return f"seal:{evidence_id}"


def number_year(now: datetime) -> int:
    """The calendar year of official time (UTC+8)."""
    return now.astimezone(_CST).year


def format_number(region_code: str, year: int, sequence: int) -> str:
    """`WJ-<region>-<year>-<8 digits>`."""
    return f"WJ-{region_code}-{year}-{sequence:08d}"


def predicate_of(envelope: bytes) -> dict[str, Any]:
    """The predicate inside a stored envelope."""
    payload = base64.b64decode(json.loads(envelope)["payload"])
    return dict(json.loads(payload)["predicate"])
