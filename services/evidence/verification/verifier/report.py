"""All checks in order, and the report."""

from typing import Any, BinaryIO

from cryptography.exceptions import UnsupportedAlgorithm

from . import contents, log, timestamps
from .container import scan
from .package import Check, Package
from .strict import Failed

STEPS: list[tuple[str, str, str, Check]] = [
    (
        "zip.structure",
        "容器字节布局唯一且未改动",
        "container layout as permitted",
        contents.check_structure,
    ),
    (
        "zip.members",
        "文件名安全、齐全、无多余",
        "names safe, complete, no extra",
        contents.check_members,
    ),
    ("zip.crc", "每个文件的校验码一致", "CRC of every file agrees", contents.check_crc),
    ("envelope.form", "签名信封格式规范", "signature envelope well formed", contents.check_envelope),
    ("signature.worker", "采集节点签名有效", "capture worker signature", contents.check_worker_signature),
    (
        "signature.sealing",
        "固证服务签名有效",
        "sealing service signature",
        contents.check_sealing_signature,
    ),
    ("manifest.form", "证据清单格式规范", "manifest well formed", contents.check_manifest),
    ("artefacts.set", "清单与文件逐一对应", "manifest and files correspond", contents.check_artefact_set),
    ("artefacts.size", "文件长度与清单一致", "sizes as in the manifest", contents.check_sizes),
    ("artefacts.sha256", "SHA-256 与清单一致", "SHA-256 as in the manifest", contents.check_sha256),
    ("artefacts.sm3", "SM3 与清单一致", "SM3 as in the manifest", contents.check_sm3),
    (
        "datapackage.form",
        "WACZ 描述文件与内容一致",
        "descriptors match the files",
        contents.check_datapackage,
    ),
    ("timestamp.token", "可信时间戳有效(RFC 3161)", "time stamps valid (RFC 3161)", timestamps.check_stamps),
    (
        "timestamp.quorum",
        "时间戳机构数量达标",
        "enough stamping operators",
        timestamps.check_stamp_quorum,
    ),
    ("log.entry", "存证日志条目对应本证据", "log entry is of this package", log.check_entry),
    ("log.checkpoint", "日志检查点签名有效", "log checkpoint signature", log.check_checkpoint),
    ("log.inclusion", "条目确在日志中", "entry included in the log", log.check_inclusion),
    ("log.witness", "第三方见证签名达标", "enough witness cosignatures", log.check_witness),
    ("beacon.checkpoint", "采集前检查点有效", "beacon older than the capture", log.check_beacon),
    ("time.order", "各时间先后合理", "times in order", log.check_times),
    ("keys.validity", "签名密钥在有效期内", "signing keys in their validity", log.check_keys),
]

NOT_CHECKED = [
    ("page.truth", "页面内容本身是否真实", "whether what the page says is true"),
    ("page.origin", "网站证书链与域名归属", "the site's certificate chain and who owns its domain"),
    ("tsa.revocation", "时间戳机构证书是否被吊销", "revocation of the time-stamping certificates"),
    ("log.later", "检查点之后的日志是否一致", "consistency of the log after this checkpoint"),
    ("log.other", "日志中是否另有相关条目", "whether the log holds other entries about this page"),
    ("custodian.copy", "第三方是否仍保有副本", "whether the custodian still holds its copy"),
]


def verify(reader: BinaryIO, trust: dict[str, Any], *, package_sm3: bool = True) -> dict[str, Any]:
    """Check a package. reader: seekable, binary; trust: from `read_trust`. Gives the report as JSON values.

    The file is digested first, from front to back; only then is anything read elsewhere in it.
    package_sm3: also compute the SM3 of the whole file for the report; no check rests on it.

    {verdict, package{sha256,sm3,bytes}, evidence_id, evidence_no, facts, checks[], not_checked[]}.
    """
    sha256, sm3, length, scanned = scan(reader, package_sm3=package_sm3)
    package = Package(reader, length, trust)
    package.sha256, package.sm3, package.scanned = sha256, sm3, scanned
    checks: list[dict[str, Any]] = []
    for code, zh, en, step in STEPS:
        ok, detail = _run(step, package)
        checks.append({"code": code, "ok": ok, "zh": zh, "en": en, "detail": detail})
    valid = all(check["ok"] for check in checks) and len(checks) == len(STEPS)
    predicate = package.manifest.get("predicate", {})
    return {
        "verdict": "VALID" if valid else "INVALID",
        "package": {"sha256": package.sha256, "sm3": package.sm3, "bytes": package.length},
        "evidence_id": predicate.get("evidence_id"),
        "evidence_no": package.entry.get("evidence_no"),
        "facts": _facts(package, predicate) if valid else {},
        "trust": {"development": trust["development"], "label": trust["label"]},
        "checks": checks,
        "not_checked": [{"code": code, "zh": zh, "en": en} for code, zh, en in NOT_CHECKED],
    }


def _run(step: Check, package: Package) -> tuple[bool, str]:
    try:
        return True, step(package)
    except Failed as failure:
        return False, str(failure)
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, UnsupportedAlgorithm) as error:
        # Malformed input, or a step that rests on one that failed: never a pass.
        return False, f"not checkable ({type(error).__name__}: {error})"


def _facts(package: Package, predicate: dict[str, Any]) -> dict[str, Any]:
    return {
        "requested_url": predicate["target"].get("requested_url"),
        "final_url": predicate["target"].get("final_url"),
        "title": predicate["target"].get("title"),
        "outcome": predicate["completeness"]["state"],
        "captured": [predicate["times"]["start"], predicate["times"]["end"]],
        "stamped": [stamp["time"].isoformat() for stamp in package.stamps],
        "log_index": package.proof["index"],
    }
