"""All checks in order, and the report."""

import datetime as dt
from collections.abc import Callable
from typing import Any, BinaryIO

from . import contents, excerpts, log, manifest, signatures, timestamps
from .container import scan
from .excerpts import Excerpt
from .package import Check, Package
from .strict import Failed, Unreadable

STEPS: list[tuple[str, str, str, Check]] = [
    ("zip.structure", "容器字节布局唯一且未改动", "container layout as permitted", contents.check_structure),
    ("zip.members", "文件名安全、齐全、无多余", "names safe, complete, no extra", contents.check_members),
    ("zip.crc", "每个文件的校验码一致", "CRC of every file agrees", contents.check_crc),
    ("envelope.form", "签名信封格式规范", "signature envelope well formed", signatures.check_envelope),
    ("manifest.form", "证据清单格式规范", "manifest well formed", manifest.check_manifest),
    ("policy.accepted", "封存策略在信任文件中", "policy is in the trust file", signatures.check_policy),
    ("signature.worker", "采集节点签名有效", "capture worker signatures", signatures.check_worker_signatures),
    (
        "signature.sealing",
        "固证服务签名有效",
        "sealing service signatures",
        signatures.check_sealing_signatures,
    ),
    ("artefacts.set", "清单与文件逐一对应", "manifest and files correspond", contents.check_artefact_set),
    ("artefacts.size", "文件长度与清单一致", "sizes as in the manifest", contents.check_sizes),
    ("artefacts.sha256", "SHA-256 与清单一致", "SHA-256 as in the manifest", contents.check_sha256),
    ("artefacts.sm3", "SM3 与清单一致", "SM3 as in the manifest", contents.check_sm3),
    ("artefacts.merkle", "加盐默克尔根与清单一致", "Merkle root of the salted list", manifest.check_merkle),
    (
        "datapackage.form",
        "WACZ 描述文件与内容一致",
        "descriptors match the files",
        contents.check_datapackage,
    ),
    ("timestamp.token", "可信时间戳有效(RFC 3161)", "time stamps valid (RFC 3161)", timestamps.check_stamps),
    ("timestamp.quorum", "时间戳机构数量达标", "enough stamping operators", timestamps.check_stamp_quorum),
    (
        "timestamp.current",
        "时间戳证书未过期或已续期",
        "time stamps current or renewed",
        timestamps.check_current,
    ),
    ("log.entry", "存证日志条目对应本证据", "log entry is of this package", log.check_entry),
    ("log.checkpoint", "日志检查点签名有效", "log checkpoint signature", log.check_checkpoint),
    ("log.inclusion", "条目确在日志中", "entry included in the log", log.check_inclusion),
    ("log.witness", "第三方见证签名达标", "enough witness cosignatures", log.check_witness),
    ("beacon.checkpoint", "采集前检查点有效", "beacon older than the seal", log.check_beacon),
    ("beacon.consistency", "日志由信标处只增未改", "log only grew since the beacon", log.check_growth),
    ("time.order", "各时间先后合理", "times in order", log.check_times),
    ("keys.validity", "签名密钥在有效期内", "signing keys in their validity", signatures.check_keys),
]

_LOGGED: list[tuple[str, str, str, excerpts.ExcerptCheck]] = [
    ("log.checkpoint", "日志检查点签名有效", "log checkpoint signature", excerpts.check_checkpoint),
    ("log.inclusion", "条目确在日志中", "entry included in the log", excerpts.check_inclusion),
    ("log.witness", "第三方见证签名达标", "enough witness cosignatures", excerpts.check_witness),
]
DISCLOSURE_STEPS = [
    ("disclosure.form", "披露文件格式规范", "disclosure well formed", excerpts.check_disclosure_form),
    ("artefact.file", "文件长度与双摘要一致", "size and digests of the file", excerpts.check_file),
    ("log.entry", "日志条目为固证条目", "log entry is that of a seal", excerpts.check_seal_entry),
    ("artefacts.merkle", "文件属于该固证", "the file belongs to that seal", excerpts.check_artefact_path),
    *_LOGGED,
]
CUSTODY_STEPS = [
    ("custody.form", "保管事件证明格式规范", "custody proof well formed", excerpts.check_custody_form),
    ("log.entry", "日志条目对应该事件", "log entry is of this event", excerpts.check_custody_entry),
    *_LOGGED,
]

NOT_CHECKED = [
    ("page.truth", "页面内容本身是否真实", "whether what the page says is true"),
    ("page.origin", "网站证书链与域名归属", "the site's certificate chain and who owns its domain"),
    ("tsa.revocation", "时间戳机构证书是否被吊销", "revocation of the time-stamping certificates"),
    ("log.later", "检查点之后的日志是否一致", "consistency of the log after this checkpoint"),
    ("log.other", "日志中是否另有相关条目", "whether the log holds other entries about this page"),
    ("custodian.copy", "第三方是否仍保有副本", "whether the custodian still holds its copy"),
]
_EXCERPT_NOT_CHECKED = [
    (
        "signatures",
        "清单签名与可信时间戳(见完整证据包)",
        "signatures and time stamps: they are in the whole package",
    ),
    ("log.later", "检查点之后的日志是否一致", "consistency of the log after this checkpoint"),
]


def verify(
    reader: BinaryIO,
    trust: dict[str, Any],
    *,
    record: bytes | None = None,
    now: dt.datetime | None = None,
    package_sm3: bool = True,
) -> dict[str, Any]:
    """Check a package. reader: seekable, binary; trust: from `read_trust`. Gives the report as JSON values.

    The file is digested first, from front to back; only then is anything read elsewhere in it.
    record: the package's evidence record (RFC 4998, DER), if there is one; now: the time of checking;
    package_sm3: also compute the SM3 of the whole file for the report; no check rests on it.
    Raises Unreadable when the file changes meanwhile, or a needed library is missing.

    {verdict, package{sha256,sm3,bytes}, evidence_id, evidence_no, facts, checks[], not_checked[]}.
    """
    sha256, sm3, length, scanned = scan(reader, package_sm3=package_sm3)
    package = Package(reader, length, trust)
    package.sha256, package.sm3, package.scanned, package.record = sha256, sm3, scanned, record
    package.now = now or package.now
    checks = _run_all(STEPS, package)
    genuine = _all_passed(checks, STEPS)
    verdict = ("REDACTED" if package.redacted else "VALID") if genuine else "INVALID"
    not_checked = [(f"removed:{path}", "已删去,未检查", "left out, not checked") for path in package.removed]
    return {
        **_report(verdict, checks, trust, [*not_checked, *NOT_CHECKED]),
        "package": {"sha256": sha256, "sm3": sm3, "bytes": length},
        "evidence_id": package.predicate.get("evidence_id"),
        "evidence_no": package.entry.get("evidence_no"),
        "facts": _facts(package) if genuine else {},
    }


def verify_disclosure(data: bytes, file: BinaryIO | None, trust: dict[str, Any]) -> dict[str, Any]:
    """Check one disclosed artefact. data: the disclosure's JSON; file: the artefact's bytes.

    The report is as from `verify`; `package` is the artefact's file, the verdict DISCLOSED or INVALID.
    """
    excerpt = Excerpt(data, file, trust)
    checks = _run_all(DISCLOSURE_STEPS, excerpt)
    genuine = _all_passed(checks, DISCLOSURE_STEPS)
    facts = {"artefact": excerpt.artefact, **_logged(excerpt)} if genuine else {}
    return _excerpt_report("DISCLOSED" if genuine else "INVALID", checks, excerpt, facts)


def verify_custody(data: bytes, trust: dict[str, Any]) -> dict[str, Any]:
    """Check the proof of a custody event. The report is as from `verify`, the verdict LOGGED or INVALID."""
    excerpt = Excerpt(data, None, trust)
    checks = _run_all(CUSTODY_STEPS, excerpt)
    genuine = _all_passed(checks, CUSTODY_STEPS)
    facts = {"event": excerpt.event, **_logged(excerpt)} if genuine else {}
    return _excerpt_report("LOGGED" if genuine else "INVALID", checks, excerpt, facts)


def _excerpt_report(
    verdict: str, checks: list[dict[str, Any]], excerpt: Excerpt, facts: dict[str, Any]
) -> dict[str, Any]:
    source = excerpt.event or excerpt.entry
    return {
        **_report(verdict, checks, excerpt.trust, _EXCERPT_NOT_CHECKED),
        "package": {"sha256": excerpt.sha256, "sm3": excerpt.sm3, "bytes": excerpt.size},
        "evidence_id": source.get("evidence_id"),
        "evidence_no": excerpt.entry.get("evidence_no"),
        "facts": facts,
    }


def _report(
    verdict: str, checks: list[dict[str, Any]], trust: dict[str, Any], not_checked: list[tuple[str, str, str]]
) -> dict[str, Any]:
    return {
        "verdict": verdict,
        "trust": {"development": trust["development"], "label": trust["label"]},
        "checks": checks,
        "not_checked": [{"code": code, "zh": zh, "en": en} for code, zh, en in not_checked],
    }


def _run_all(steps: list[tuple[str, str, str, Callable[[Any], str]]], subject: Any) -> list[dict[str, Any]]:
    checks = []
    for code, zh, en, step in steps:
        ok, detail = _run(step, subject)
        checks.append({"code": code, "ok": ok, "zh": zh, "en": en, "detail": detail})
    return checks


def _all_passed(checks: list[dict[str, Any]], steps: list[Any]) -> bool:
    return len(checks) == len(steps) > 0 and all(check["ok"] for check in checks)


def _run(step: Callable[[Any], str], subject: Any) -> tuple[bool, str]:
    try:
        return True, step(subject)
    except Failed as failure:
        return False, str(failure)
    except (Unreadable, OSError):
        raise  # the file or a library cannot be used: nothing is known about the evidence
    except Exception as error:
        # Malformed input, or a step that rests on one that failed: never a pass, and never a crash.
        return False, f"not checkable ({type(error).__name__}: {error})"


def _facts(package: Package) -> dict[str, Any]:
    target, times = package.predicate["target"], package.predicate["times"]
    return {
        "requested_url": target["requested_url"],
        "final_url": target["final_url"],
        "title": target["title"],
        "outcome": package.predicate["completeness"]["state"],
        "captured": [times["start"], times["end"]],
        "stamped": [stamp["time"].isoformat() for stamp in package.stamps],
        "stamped_by": [stamp["operator"] for stamp in package.stamps],
        "cosigned_by": sorted({operator for operator, _ in package.proof["cosigned"]}),
        "log_index": package.proof["index"],
        "policy": package.policy["id"],
        "removed": package.removed,
    }


def _logged(excerpt: Excerpt) -> dict[str, Any]:
    return {
        "log_index": excerpt.proof["index"],
        "logged_before": excerpts.logged_before(excerpt).isoformat(),
        "cosigned_by": sorted({operator for operator, _ in excerpt.proof["cosigned"]}),
    }
