"""Write the table of cases into docs/evidence/; `--write FOLDER` writes the tampered files too."""

import argparse
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.evidence_matrix.collected import all_cases
from tests.evidence_matrix.reasons import record
from tests.evidence_matrix.world import Attempt, Case, World

TABLE = Path(__file__).parents[2] / "docs" / "evidence" / "tamper-matrix.md"
_GROUPS = {
    "bytes": "字节翻转",
    "files": "文件增删改换",
    "zip": "ZIP 容器",
    "manifest edited": "清单逐字段改动(无密钥)",
    "manifest form": "清单逐字段缺失或类型不符(持有全部密钥)",
    "manifest spelling": "清单的另一种写法",
    "manifest facts": "清单与事实不符(持有全部密钥)",
    "beacon": "信标",
    "signatures": "签名",
    "keys": "密钥与信任文件",
    "time stamps": "可信时间戳",
    "batch stamps": "批量时间戳",
    "renewal": "续期",
    "log entry": "日志条目",
    "log proof": "日志证明",
    "checkpoint": "检查点与见证",
    "consistency": "日志一致性",
    "redaction": "删节副本",
    "disclosure": "单文件披露",
    "custody": "保管事件证明",
}
_HEAD = """# 篡改矩阵 Tamper matrix

本页由命令生成 made by `python -m tests.evidence_matrix`. tests/security/test_evidence_matrix.py runs
every case: the verdict must be INVALID and the named check must fail.

"All keys" means an insider who holds every signing key: what he says about himself no seal can disprove, but
he cannot make it inconsistent. The unchanged of each kind must pass (VALID, REDACTED, DISCLOSED, LOGGED).

What happens in the running service is tested beside it: storage (overwriting, deletion, shortened retention)
in tests/service/test_evidence_store*.py, custody records and database rows in test_evidence_custody*.py and
by `wangjian evidence audit`, rewritten logs before a witness in test_evidence_log*.py, nonces of time-stamp
answers in tests/unit/test_evidence_timestamps.py, evidence records in test_evidence_renewal*.py.
"""


def table(cases: list[Case], reasons: Mapping[str, Mapping[str, Any]]) -> str:
    """The page as Markdown. reasons: as recorded."""
    lines = [_HEAD, f"**{len(cases)} cases.**", "", "| 组 group | cases |", "|---|---|"]
    counted = Counter(case.group for case in cases)
    lines += [f"| {_GROUPS[group]} {group} | {number} |" for group, number in counted.items()]
    lines += ["", "## 已知的同类软件缺陷 Known bugs of peers among them", ""]
    lines += [f"* {case.peer} — *{case.group}: {case.name}*" for case in cases if case.peer]
    for group in counted:
        lines += ["", f"## {_GROUPS[group]} {group}", "", "| case | check | it says |", "|---|---|---|"]
        for case in (case for case in cases if case.group == group):
            reason = reasons[f"{group}: {case.name}"]["reason"] or "…"
            lines.append(f"| {_plain(case.name)} | `{case.code}` | {_plain(reason)} |")
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """Text in a table's cell: a bar and a line break would end it, `<` would begin a tag."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def write_files(folder: Path) -> int:
    """Every tampered file, with `cases.json` saying what each is; gives how many."""
    world, listed = World(), []
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "trust.json").write_text(json.dumps(world.document()))
    attempts = [("honest", "", world.attempt(), "VALID")]
    attempts += [
        (f"{case.group}: {case.name}", case.code, case.make(world), "INVALID") for case in all_cases()
    ]
    for number, (name, code, attempt, verdict) in enumerate(attempts):
        listed.append({"name": name, "code": code, "verdict": verdict, **_written(folder, number, attempt)})
    (folder / "cases.json").write_text(json.dumps(listed, ensure_ascii=False, indent=1))
    return len(listed)


def _written(folder: Path, number: int, attempt: Attempt) -> dict[str, object]:
    said: dict[str, object] = {"kind": attempt.kind, "data": f"{number:04d}.bin", "trust": "trust.json"}
    (folder / f"{number:04d}.bin").write_bytes(attempt.data)
    for name, data in (("file", attempt.file), ("record", attempt.record)):
        if data is not None:
            (folder / f"{number:04d}.{name}").write_bytes(data)
            said[name] = f"{number:04d}.{name}"
    if attempt.trust is not None:
        (folder / f"{number:04d}.trust.json").write_text(json.dumps(attempt.trust))
        said["trust"] = f"{number:04d}.trust.json"
    if attempt.now is not None:
        said["now"] = attempt.now.isoformat().replace("+00:00", "Z")
    return said


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.evidence_matrix", description=__doc__)
    parser.add_argument("--write", type=Path, help="write the tampered files into this folder")
    given = parser.parse_args()
    if given.write:
        print(f"{write_files(given.write)} files in {given.write}")
        return
    TABLE.write_text(table(all_cases(), record(all_cases())), encoding="utf-8")
    print(f"written {TABLE.name}")


if __name__ == "__main__":
    main()
