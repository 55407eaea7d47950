"""存证日志 the transparency log: check it, end it and begin the next, put it in order"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from wangjian.commands._platform import Meter, RefusedError, ask, lines, open_platform
from wangjian.commands._settings import load

app = typer.Typer(add_completion=False, no_args_is_help=True)
_JSON = Annotated[bool, typer.Option("--json", help="机器可读 machine-readable")]


@app.callback()
def log() -> None:
    """存证日志。The transparency log. 退出码 exit code: 0 一致 in order, 1 有问题 not, 2 无法检查."""


def _refuse(error: Exception) -> typer.Exit:
    print(f"wangjian: {error}", file=sys.stderr)
    return typer.Exit(2)


@app.command()
def fsck(
    folder: Annotated[
        Path | None,
        typer.Option(help="只核对该目录中公布的文件(审计员用,无需平台) check published files alone, offline"),
    ] = None,
    trust: Annotated[
        Path | None, typer.Option(help="信任文件(核验日志签名) trust file, for --folder")
    ] = None,
    as_json: _JSON = False,
) -> None:
    """重算整个日志并逐一比对。Rebuild the whole log and compare entries, checkpoints, cosignatures, tiles.

    Against the running platform: from its database. With --folder: from published tiles to checkpoint.
    """
    try:
        if folder is None:
            with open_platform(load()) as client:
                findings, end = _follow(lines(client, "/api/log-keeping/check"))
            way = "database"
        else:
            findings, end = _follow(_offline(folder, trust))
            way = "folder"
    except RefusedError as error:
        raise _refuse(error) from error
    if as_json:
        print(json.dumps({**end, "way": way, "findings": findings}, ensure_ascii=False))
    else:
        _say(way, findings, end, signed=folder is None or trust is not None)
    raise typer.Exit(1 if findings or end.get("refusal") else 0)


def _follow(stream: Iterable[dict[str, Any]]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Findings and last line of a check, its progress shown. Raises RefusedError when cut short."""
    meter, findings, end = Meter(), list[dict[str, Any]](), dict[str, Any]()
    for line in stream:
        if "finding" in line:
            findings.append({"code": line["finding"], "where": line["where"], "shard": line["shard"]})
        elif "end" in line:
            end = line["end"]
        else:
            meter.show(f"  #{line['shard']} {line['progress']} {line['done']} / {line['total']}")
    meter.clear()
    if not end:
        raise RefusedError("检查中断,未得出结论 / the check was cut short, there is no result")
    return findings, end


def _offline(folder: Path, trust: Path | None) -> Iterable[dict[str, Any]]:
    from services.evidence.log.fsck import Finding, check_folder
    from services.evidence.log.notes import NoteError

    try:
        origin = (folder / "checkpoint").read_text("utf-8").partition("\n")[0]
        key, witnesses = _keys(trust, origin)
        count, size = 0, 0
        for step in check_folder(folder, key, witnesses):
            if isinstance(step, Finding):
                count += 1
                yield {"finding": step.code, "where": step.where, "shard": 0}
            else:
                size = step.total
                yield {"progress": step.what, "done": step.done, "total": step.total, "shard": 0}
    except NoteError as error:
        yield {"finding": "checkpoint.signature", "where": str(error), "shard": 0}
        count, size = 1, 0
    except OSError as error:
        raise RefusedError(f"{folder} 中没有检查点 / no checkpoint there: {error.strerror}") from error
    yield {"end": {"findings": count, "size": size}}


def _keys(trust: Path | None, origin: str) -> tuple[Any, list[Any]]:
    """The log's key and the witnesses' from a trust file; (None, []) without one. Raises RefusedError."""
    from services.evidence.log.notes import parse_vkey
    from services.evidence.verification.verifier import Unreadable, read_trust

    if trust is None:
        return None, []
    try:
        document = read_trust(trust.read_bytes())
    except (OSError, Unreadable) as error:
        raise RefusedError(f"信任文件无法使用 the trust file cannot be used: {error}") from error
    found = [item["vkey"] for item in document["logs"] if item["origin"] == origin]
    if not found:
        raise RefusedError(f"信任文件中没有日志 {origin} / the trust file does not name this log")
    return parse_vkey(found[0]), [parse_vkey(item["vkey"]) for item in document["witnesses"]]


def _say(way: str, findings: list[dict[str, Any]], end: dict[str, Any], *, signed: bool) -> None:
    for finding in findings:
        print(f"  ✗ {finding['code']:<24} #{finding['shard']} {finding['where']}")
    checked = {
        "database": "据数据库重算:条目、检查点、见证签名、分块、检查点文件 / rebuilt from the database",
        "folder": "仅据公布的分块重算至检查点,未查数据库 / from the published tiles alone, no database",
    }[way]
    print(checked)
    if not signed:
        print("未核验日志签名(未给出 --trust) / the checkpoint's signature was not checked: no --trust")
    if end.get("refusal"):
        print(f"日志已停止签发 the log signs nothing: {end['refusal']['zh']} / {end['refusal']['en']}")
    word = f"发现 {len(findings)} 处问题 findings" if findings else "全部一致 everything agrees"
    print(f"{word}({end['size']} 条 entries)")


@app.command()
def freeze(
    reason: Annotated[str, typer.Option(help="原因,写入日志 why; it stands in the log")],
    next_origin: Annotated[str | None, typer.Option(help="新日志名称 origin of the next log")] = None,
    as_json: _JSON = False,
) -> None:
    """封存当前日志并启用新日志。End this log (its last entry names the next) and begin the next one."""
    body = {"reason": reason} | ({"next_origin": next_origin} if next_origin else {})
    try:
        with open_platform(load()) as client:
            done = ask(client, "POST", "/api/log-keeping/freeze", body)
    except RefusedError as error:
        raise _refuse(error) from error
    if as_json:
        print(json.dumps(done, ensure_ascii=False))
        return
    print(f"已封存 frozen  {done['frozen']['origin']}  {done['frozen']['size']} 条 entries")
    print(f"已启用 opened  {done['opened']['vkey']}")
    for name, state in done["custodians"].items():
        print(f"  {name}: {state}")
    print("请重新导出并分发信任文件 / export and hand out the trust file anew: wangjian trust export")


@app.command()
def reconcile(
    apply: Annotated[bool, typer.Option("--apply", help="执行恢复 recover what can be recovered")] = False,
    accept_loss: Annotated[
        bool,
        typer.Option("--accept-loss", help="无法复原时封存为分叉并启用新日志 else close the log as forked"),
    ] = False,
    reason: Annotated[str, typer.Option(help="原因,写入记录 why; goes on record")] = "",
    as_json: _JSON = False,
) -> None:
    """核对日志与见证记录并恢复。What the witnesses saw, what is missing; --apply puts it in order."""
    path = "/api/log-keeping/reconciliation"
    if apply and not reason.strip():
        raise _refuse(RefusedError("--apply 需写明 --reason / --apply needs a --reason"))
    try:
        with open_platform(load()) as client:
            body = {"reason": reason, "accept_loss": accept_loss}
            found = ask(client, "POST", path, body) if apply else ask(client, "GET", path)
    except RefusedError as error:
        raise _refuse(error) from error
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
    else:
        _tell(found)
    raise typer.Exit(0 if _in_order(found) else 1)


def _in_order(found: dict[str, Any]) -> bool:
    if "done" in found:
        return found["done"] != "not_recoverable" and not found.get("still_refused")
    return not found["refusal"] and not found["missing"]["count"] and not found["changed"]["count"]


def _tell(found: dict[str, Any]) -> None:
    print(f"日志 log        {found['origin']}")
    print(f"数据库 database  {found['database']['size']} 条 entries")
    for item in found["witnesses"]:
        saw = item["problem"] or f"{item['size']} 条 entries  {item['root'] or ''}"
        print(f"见证 witness    {item['name']}: {saw}")
    print(f"应为 truth      {found['truth']['size']} 条 entries({found['truth']['shown_by']})")
    for name, zh in (("missing", "缺失"), ("changed", "被改动"), ("lost", "无处可寻")):
        if found[name]["count"]:
            print(f"{zh} {name}: {found[name]['count']}  {found[name]['first'][:20]}")
    if found["contradicting_checkpoints"]["count"]:
        print(
            f"互相矛盾的检查点 contradicting checkpoints: {found['contradicting_checkpoints']['first'][:20]}"
        )
    words = {
        "nothing": "一切正常,无需处理 in order, nothing to do",
        "recovered": "已恢复,日志继续签发 recovered; the log goes on",
        "closed": "已封存为分叉并启用新日志,请由存证机构登记新日志公钥"
        " / closed as forked; custodians must accept the new log",
        "not_recoverable": "无法复原;确认损失后可用 --accept-loss not recoverable; see --accept-loss",
    }
    if "done" in found:
        print(words[found["done"]])
        return
    able = "可复原 recoverable (--apply)" if found["recoverable"] else "不可复原 not recoverable"
    print(words["nothing"] if _in_order(found) else able)
