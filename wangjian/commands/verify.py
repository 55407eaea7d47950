"""离线核验证据包 verify an evidence package offline"""

import argparse
import json
import os
import sys
import unicodedata
from pathlib import Path
from typing import Any

from services.evidence.verification.verifier import (
    CUSTODY,
    DISCLOSURE,
    Unreadable,
    is_package,
    read_trust,
    verify,
    verify_custody,
    verify_disclosure,
)

_EXIT = {"VALID": 0, "INVALID": 1, "REDACTED": 3, "DISCLOSED": 3, "LOGGED": 3}
_VERDICTS = {
    "VALID": "有效",
    "INVALID": "无效",
    "REDACTED": "真实,但为删节副本(非原件)",
    "DISCLOSED": "真实,为原件中的单个文件",
    "LOGGED": "该事件确已登记",
}
_LARGEST_DOCUMENT = 1 << 22


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="wangjian verify",
        description="离线核验证据包、单文件披露、保管事件证明,不联网、不用数据库。"
        "Check a package, a disclosure or a custody proof without network or database.",
        epilog="退出码 exit code: 0 VALID, 1 INVALID, 2 无法读取 unreadable,"
        " 3 真实但非完整原件 genuine, not the whole original (REDACTED, DISCLOSED, LOGGED)",
    )
    parser.add_argument("package", type=Path, help="证据包(.wacz)或证明(.json)the package, or a proof")
    parser.add_argument(
        "--trust", type=Path, required=True, help="信任文件 trust file (wangjian trust export)"
    )
    parser.add_argument("--record", type=Path, help="续期证据记录(.er)evidence record, RFC 4998")
    parser.add_argument("--file", type=Path, help="被披露的文件(默认为同目录下同名文件)the disclosed file")
    parser.add_argument("--sm3", action="store_true", help="另算整包 SM3(耗时)also the SM3 of the whole file")
    parser.add_argument("--json", action="store_true", help="以 JSON 输出报告 print the report as JSON")
    return parser


def main(argv: list[str]) -> int:
    """Run the command. Gives the exit code: 0 VALID, 1 INVALID, 2 unreadable, 3 genuine but not the whole."""
    given = _arguments().parse_args(argv)
    try:
        report = _verify(given)
    except Unreadable as error:
        print(f"wangjian: {error.zh} / {error}", file=sys.stderr)
        return 2
    text = json.dumps(report, ensure_ascii=False, indent=2) if given.json else _table(report)
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # The reader (`head`) has seen enough; the verdict stays in the exit code.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return _EXIT[report["verdict"]]


def _read(path: Path, zh: str, en: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unreadable(f"无法读取{zh} {path}", f"cannot read {en}: {error}") from error


def _verify(given: argparse.Namespace) -> dict[str, Any]:
    trust = read_trust(_read(given.trust, "信任文件", "the trust file"))
    record = _read(given.record, "证据记录", "the evidence record") if given.record else None
    try:
        with given.package.open("rb") as file:
            if is_package(file):
                return verify(file, trust, record=record, package_sm3=given.sm3)
    except OSError as error:
        raise Unreadable(f"无法读取 {given.package}", f"cannot read the package: {error}") from error
    return _verify_document(given, trust)


def _verify_document(given: argparse.Namespace, trust: dict[str, Any]) -> dict[str, Any]:
    """A disclosure or a custody proof, told apart by its schema."""
    unknown = Unreadable(f"{given.package} 不是证据包或证明", f"{given.package} is no package and no proof")
    if given.package.stat().st_size > _LARGEST_DOCUMENT:
        raise unknown
    data = _read(given.package, "证明", "the proof")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise unknown from error
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema == CUSTODY:
        return verify_custody(data, trust)
    if schema != DISCLOSURE:
        raise unknown
    place = given.file or given.package.with_name(_name_of(document))
    try:
        with place.open("rb") as file:
            return verify_disclosure(data, file, trust)
    except OSError as error:
        raise Unreadable(
            f"缺少被披露的文件 {place},请用 --file 指明",
            f"the disclosed file is not at {place}; say where with --file",
        ) from error


def _name_of(document: dict[str, Any]) -> str:
    artefact = document.get("artefact")
    path = artefact.get("path") if isinstance(artefact, dict) else None
    name = str(path).rpartition("/")[2]
    return name if name.strip(".") else "-"


def _pad(text: str, width: int) -> str:
    """Pad to a width on the screen, where Chinese characters take two columns."""
    taken = sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
    return text + " " * max(0, width - taken)


def _table(report: dict[str, Any]) -> str:
    verdict = report["verdict"]
    lines = [f"{_VERDICTS[verdict]} {verdict}  {report['evidence_no'] or report['evidence_id'] or '-'}"]
    if report["package"]["sha256"]:
        lines.append(f"SHA-256  {report['package']['sha256']}")
    if report["package"]["sm3"]:
        lines.append(f"SM3      {report['package']['sm3']}")
    lines += [f"长度 size {report['package']['bytes']} bytes", *_facts(report["facts"])]
    if report["trust"]["development"]:
        lines.append(f"注意 note  {report['trust']['label']['zh']} / {report['trust']['label']['en']}")
    lines += ["", "检查 checks"]
    for check in report["checks"]:
        mark = "通过 ok  " if check["ok"] else "失败 FAIL"
        lines.append(f"  {mark} {_pad(check['code'], 20)} {_pad(check['zh'], 32)} {check['en']}")
        if not check["ok"]:
            lines.append(f"           → {_plain(check['detail'])}")
    lines += ["", "未检查 not checked"]
    lines += [
        f"  {_pad(item['code'], 20)} {_pad(item['zh'], 32)} {item['en']}" for item in report["not_checked"]
    ]
    return "\n".join(lines)


def _facts(facts: dict[str, Any]) -> list[str]:
    if "captured" in facts:
        return [
            f"网址 url  {_plain(facts['final_url'] or facts['requested_url'])}",
            f"采集 captured  {facts['captured'][0]} – {facts['captured'][1]}  ({facts['outcome']})",
        ]
    lines = []
    if "artefact" in facts:
        lines.append(f"文件 file  {_plain(facts['artefact']['path'])}")
    if "event" in facts:
        lines.append(f"事件 event  {_plain(json.dumps(facts['event'], ensure_ascii=False, sort_keys=True))}")
    if "logged_before" in facts:
        lines.append(f"登记不晚于 logged before  {facts['logged_before']}")
    return lines


def _plain(text: Any) -> str:
    """Text from a package, which is not ours: no control characters reach the terminal."""
    return "".join(letter if letter.isprintable() else "�" for letter in str(text))
