"""签名密钥 list, rotate, register and revoke signing keys"""

import base64
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from wangjian.commands._platform import RefusedError, ask, open_platform
from wangjian.commands._settings import load

app = typer.Typer(add_completion=False, no_args_is_help=True, help="签名密钥 signing keys")

Reason = Annotated[str, typer.Option("--reason", help="事由 why (goes into the log)")]
Role = Annotated[str, typer.Argument(help="worker 采集节点 | sealing 固证服务")]
_WHO = {"worker": "采集节点 worker", "sealing": "固证服务 sealing"}
_STATES = {"current": "使用中 current", "ended": "已停用 ended", "revoked": "已吊销 revoked"}


@contextmanager
def _clearly() -> Iterator[None]:
    """A refusal is one clear line and exit code 2."""
    try:
        yield
    except RefusedError as error:
        print(f"wangjian: {error}", file=sys.stderr)
        raise typer.Exit(2) from error
    except OSError as error:
        print(f"wangjian: {error.strerror}: {error.filename}", file=sys.stderr)
        raise typer.Exit(2) from error


@app.command("list")
def list_keys(
    as_json: Annotated[bool, typer.Option("--json", help="以 JSON 输出 as JSON")] = False,
) -> None:
    """列出全部签名密钥。List every signing key there ever was."""
    with _clearly(), open_platform(load()) as platform:
        found = ask(platform, "GET", "/api/keys")
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
    else:
        _table(found["items"])


def _table(keys: list[dict[str, Any]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD)
    for heading in ("密钥 key id", "用途 role", "算法 algorithm", "状态 state", "起 from", "止 until"):
        table.add_column(heading, no_wrap=True)
    for key in keys:
        until = key["revoked_at"] or key["not_after"]
        times = [_short(key["not_before"]), _short(until)]
        table.add_row(key["keyid"], _WHO[key["role"]], key["algorithm"], _STATES[key["state"]], *times)
    Console(width=max(Console().width, 170)).print(table)


def _short(moment: str | None) -> str:
    return moment[:19] + "Z" if moment else "—"


@app.command()
def rotate(role: Role, reason: Reason = "定期轮换 planned rotation") -> None:
    """轮换密钥:新密钥立即启用,旧私钥销毁。New keys at once; the old private keys are destroyed."""
    _check_role(role)
    with _clearly(), open_platform(load()) as platform:
        if role == "sealing":
            body = {"role": role, "reason": reason}
            _tell(ask(platform, "POST", "/api/keys/rotation", body)["items"])
            return
        for request in _requests(reason, successor=True):
            _tell(ask(platform, "POST", "/api/keys", request)["items"])
        _install()


@app.command()
def request(
    out: Annotated[Path, typer.Option("--out", help="写入文件 write to a file")],
    successor: Annotated[
        bool, typer.Option("--next", help="为轮换另备新密钥 prepare the next key, for a rotation")
    ] = False,
    reason: Reason = "远程采集节点 remote capture worker",
) -> None:
    """在远程采集节点上生成登记申请(不含私钥)。On a remote worker: what `register FILE` needs, no secrets."""
    with _clearly():
        made = json.dumps(list(_requests(reason, successor=successor)), ensure_ascii=False, indent=1)
        out.write_text(made + "\n", "utf-8")
    print(f"已写入 written {out}", file=sys.stderr)


@app.command()
def register(
    file: Annotated[Path | None, typer.Argument(help="登记申请 file of `keys request`")] = None,
    reason: Reason = "采集节点密钥 capture worker's key",
) -> None:
    """登记采集节点密钥:本机的,或申请文件中的。Register this machine's worker keys, or those of a request."""
    with _clearly(), open_platform(load()) as platform:
        for wanted in _read(file) if file else list(_requests(reason, successor=False)):
            _tell(ask(platform, "POST", "/api/keys", wanted)["items"])


@app.command()
def install() -> None:
    """启用 `request --next` 备好的新密钥,旧私钥销毁。Use the prepared next keys; the old ones end."""
    with _clearly():
        _install()


@app.command()
def revoke(
    keyid: Annotated[str, typer.Argument(help="密钥编号 key id, its first 8 digits at least")],
    reason: Reason,
    since: Annotated[
        str, typer.Option("--since", help="自何时起不可信 since when (RFC 3339),默认现在 default now")
    ] = "now",
) -> None:
    """吊销密钥:此前已盖时间戳的证据仍有效。Revoke a key; what was stamped before stays valid."""
    with _clearly(), open_platform(load()) as platform:
        body = {"since": _moment(since), "reason": reason}
        whole = _whole(ask(platform, "GET", "/api/keys")["items"], keyid)
        changed = ask(platform, "POST", f"/api/keys/{whole}/revocation", body)
    _tell(changed["items"])
    if changed["unstamped"]:
        print(
            f"注意 note: {changed['unstamped']} 件证据尚无时间戳,若由该密钥签名则不再有效,请重新采集"
            " / items without a time stamp: those signed with this key do not become valid, capture again",
            file=sys.stderr,
        )


def _check_role(role: str) -> None:
    if role not in _WHO:
        print("wangjian: 用途应为 worker 或 sealing / the role is worker or sealing", file=sys.stderr)
        raise typer.Exit(2)


def _moment(text: str) -> str:
    """The moment in RFC 3339. Raises RefusedError."""
    try:
        moment = datetime.now(UTC) if text == "now" else datetime.fromisoformat(text)
    except ValueError as error:
        raise RefusedError(f"时间格式不符 not a time: {text}(例 e.g. 2026-11-21T08:00:00Z)") from error
    if moment.tzinfo is None:
        raise RefusedError(f"时间须带时区 the time needs its zone: {text}(例 e.g. {text}+08:00)")
    return moment.isoformat()


def _whole(keys: list[dict[str, Any]], start: str) -> str:
    """The one key id that begins so. Raises RefusedError."""
    found = [str(key["keyid"]) for key in keys if len(start) >= 8 and key["keyid"].startswith(start)]
    if len(found) != 1:
        raise RefusedError(f"没有或不止一个密钥以此开头 no key, or more than one, begins with {start!r}")
    return found[0]


def _requests(reason: str, *, successor: bool) -> Iterator[dict[str, Any]]:
    """A registration for each suite, each with its proof of possession."""
    from services.common.keys import load_signer, prepare_successor
    from services.common.suites import Signer, possession_message

    settings = load()
    for suite in settings.suites:
        old = load_signer(settings, "worker", suite) if successor else None
        new: Signer = (prepare_successor if successor else load_signer)(settings, "worker", suite)
        yield {
            "role": "worker",
            "algorithm": new.algorithm,
            "public_key": base64.b64encode(new.public_der).decode(),
            "proof": base64.b64encode(new.sign(possession_message(new.keyid))).decode(),
            "replaces": old.keyid if old else None,
            "reason": reason,
        }


def _read(file: Path) -> list[dict[str, Any]]:
    """The registrations in a request file. Raises RefusedError, OSError."""
    try:
        found = json.loads(file.read_text("utf-8"))
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            raise ValueError("not a list")
    except ValueError as error:
        raise RefusedError(f"{file} 不是登记申请 is not a request of `wangjian keys request`") from error
    return found


def _install() -> None:
    """Raises RefusedError when nothing was prepared."""
    from services.common.keys import install_successor, successor_waits

    settings = load()
    waiting = [suite for suite in settings.suites if successor_waits(settings, "worker", suite)]
    if not waiting:
        raise RefusedError("没有备好的新密钥 no next key was prepared (wangjian keys request --next)")
    for suite in waiting:
        install_successor(settings, "worker", suite)
    print("新密钥已启用,旧私钥已销毁 the new keys are in use, the old private keys are gone", file=sys.stderr)


def _tell(keys: list[dict[str, Any]]) -> None:
    for key in keys:
        print(f"{key['keyid']}  {_WHO[key['role']]}  {key['algorithm']}  {_STATES[key['state']]}")
