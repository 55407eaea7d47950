"""`wangjian evidence audit`: follows an audit of the running platform and says what it found."""

import json
import sys
from typing import Any

from wangjian.commands._platform import Meter, RefusedError, lines, open_platform
from wangjian.commands._settings import load


def run(after: str, *, as_json: bool) -> int:
    """Run to the end; Ctrl-C stops it and says where to go on. Gives the exit code: 0, 1, 2."""
    meter, findings, end = Meter(), list[dict[str, Any]](), dict[str, Any]()
    try:
        with open_platform(load()) as client:
            for line in lines(client, "/api/evidence-audits", {"after": after} if after else None):
                if "finding" in line:
                    findings.append(line)
                    meter.clear()
                    if not as_json:
                        _tell(line)
                elif "end" in line:
                    end = line["end"]
                else:
                    after = line.get("after", after)
                    meter.show(f"  {line['progress']} {line['done']} / {line['total']}")
    except RefusedError as error:
        return _stopped(str(error), after)
    except KeyboardInterrupt:
        return _stopped("已停止 stopped", after)
    finally:
        meter.clear()
    if not end:
        return _stopped("核查中断,未得出结论 / the audit was cut short, there is no result", after)
    if as_json:
        print(json.dumps({**end, "findings": findings}, ensure_ascii=False))
    else:
        for left in end["not_checked"]:
            print(f"未核查 not checked: 第三方副本 the copies of {left['custodian']}")
        word = f"发现 {len(findings)} 处问题 findings" if findings else "全部一致 everything agrees"
        print(f"{word}({end['items']} 件证据 items)")
    return 1 if findings else 0


def _tell(line: dict[str, Any]) -> None:
    what = line["number"] or line["item"] or "-"
    print(f"  ✗ {line['finding']:<20} {what}  {line['zh']} / {line['en']}  {line['detail']}")


def _stopped(why: str, after: str) -> int:
    go_on = f";继续 go on with: wangjian evidence audit --after {after}" if after else ""
    print(f"wangjian: {why}{go_on}", file=sys.stderr)
    return 2
