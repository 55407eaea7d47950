"""离线核验证据包 verify an evidence package offline"""

import argparse
import json
import os
import sys
import unicodedata
from pathlib import Path
from typing import Any

from services.evidence.verification.verifier import Unreadable, is_package, read_trust, verify


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="wangjian verify",
        description="离线核验证据包,不联网、不用数据库。Check a package without network or database.",
        epilog="退出码 exit code: 0 VALID, 1 INVALID, 2 无法读取 unreadable",
    )
    parser.add_argument("package", type=Path, help="证据包(.wacz)the package")
    parser.add_argument(
        "--trust", type=Path, required=True, help="信任文件 trust file (wangjian trust export)"
    )
    parser.add_argument("--json", action="store_true", help="以 JSON 输出报告 print the report as JSON")
    return parser


def main(argv: list[str]) -> int:
    """Run the command. Gives the exit code: 0 VALID, 1 INVALID, 2 unreadable."""
    given = _arguments().parse_args(argv)
    try:
        report = _verify(given.package, given.trust)
    except Unreadable as error:
        print(f"wangjian: {error.zh} / {error}", file=sys.stderr)
        return 2
    text = json.dumps(report, ensure_ascii=False, indent=2) if given.json else _table(report)
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # The reader (`head`) has seen enough; the verdict stays in the exit code.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0 if report["verdict"] == "VALID" else 1


def _verify(package: Path, trust_file: Path) -> dict[str, Any]:
    try:
        trust = read_trust(trust_file.read_bytes())
    except OSError as error:
        raise Unreadable(f"无法读取信任文件 {trust_file}", f"cannot read the trust file: {error}") from error
    try:
        with package.open("rb") as file:
            if not is_package(file):
                raise Unreadable(f"{package} 不是证据包", f"{package} is not a package")
            return verify(file, trust)
    except OSError as error:
        raise Unreadable(f"无法读取 {package}", f"cannot read the package: {error}") from error


def _pad(text: str, width: int) -> str:
    """Pad to a width on the screen, where Chinese characters take two columns."""
    taken = sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
    return text + " " * max(0, width - taken)


def _table(report: dict[str, Any]) -> str:
    valid = report["verdict"] == "VALID"
    lines = [
        f"{'有效 VALID' if valid else '无效 INVALID'}  {report['evidence_no'] or '-'}",
        f"SHA-256  {report['package']['sha256']}",
        f"SM3      {report['package']['sm3']}",
        f"长度 size {report['package']['bytes']} bytes",
    ]
    facts = report["facts"]
    if facts:
        lines += [
            f"网址 url  {_plain(facts['final_url'] or facts['requested_url'])}",
            f"采集 captured  {facts['captured'][0]} – {facts['captured'][1]}  ({facts['outcome']})",
        ]
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


def _plain(text: Any) -> str:
    """Text from a package, which is not ours: no control characters reach the terminal."""
    return "".join(letter if letter.isprintable() else "�" for letter in str(text))
