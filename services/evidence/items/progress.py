"""The lines a caller sees while an item is sealed."""

import json
from collections.abc import Mapping
from typing import Any

from services.common.clock import rfc3339
from services.common.problems import Problem
from services.evidence.items.models import EvidenceItem


def _line(op: str, zh: str, en: str, detail: Mapping[str, Any]) -> dict[str, Any]:
    return {"op": op, "zh": zh, "en": en, "detail": dict(detail)}


def signed(item: EvidenceItem) -> dict[str, Any]:
    """Both signatures are on the manifest."""
    keys = [signature["keyid"] for signature in json.loads(item.envelope)["signatures"]]
    return _line(
        "signed", "清单已由采集节点与固证服务签名", "manifest signed by worker and sealer", {"keyids": keys}
    )


def stamped(item: EvidenceItem) -> dict[str, Any]:
    """The time stamps are in."""
    detail = [{"authority": s.authority, "time": rfc3339(s.stamped_at)} for s in item.stamps]
    return _line("stamped", "已加盖可信时间戳", "time-stamped", {"stamps": detail})


def logged(item: EvidenceItem, origin: str) -> dict[str, Any]:
    """The entry is in the log, under a cosigned checkpoint."""
    detail = {"index": item.log_index, "tree_size": item.log_size, "origin": origin}
    return _line("logged", "已登记入存证日志并取得见证签名", "entered in the log and cosigned", detail)


def replicated(item: EvidenceItem) -> dict[str, Any]:
    """Enough custodians have verified and kept the package."""
    copies = [{"custodian": r.custodian, "stored_at": rfc3339(r.stored_at)} for r in item.receipts]
    detail = {**(copies[0] if copies else {}), "copies": copies}
    return _line("custodian", "第三方已核验并留存副本", "verified and kept by the custodian", detail)


def sealed(item: EvidenceItem) -> dict[str, Any]:
    """Sealed, with its number and the package's SHA-256 beside the detail."""
    facts = {
        "evidence_no": item.evidence_no,
        "package_sha256": item.package_sha256,
        "package_bytes": item.package_bytes,
    }
    return {
        **_line("sealed", f"固证完成,编号 {item.evidence_no}", f"sealed as {item.evidence_no}", facts),
        **facts,
    }


def digested(item: EvidenceItem) -> dict[str, Any]:
    """The last line: the same with the package's second digest."""
    again, sm3 = sealed(item), {"package_sm3": item.package_sm3}
    line = _line("digested", "证据包 SM3 摘要已计算", "SM3 of the package computed", again["detail"] | sm3)
    return {**again, **line, **sm3}


def failed(problem: Problem) -> dict[str, Any]:
    """Sealing stopped here; what was reached stays, and it goes on later where that makes sense."""
    return {"op": "error", "problem": problem.document()}
