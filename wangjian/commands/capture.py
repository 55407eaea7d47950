"""采集网页并封存为证据 capture a page and seal it as evidence"""

import argparse
import contextlib
import hashlib
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from services.common.ids import new_id
from wangjian.commands._platform import RefusedError, away, open_platform, say
from wangjian.commands._settings import load

_DONE, _UNUSABLE, _WRONG = 0, 1, 2
_RETRY_SECONDS = 60.0
_TIMEOUT = httpx.Timeout(30.0, connect=5.0)


class UnusableError(Exception):
    """The capture ended without evidence: exit code 1 and one clear line."""


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="wangjian capture",
        description="采集一个网页,封存为证据并下载证据包。Capture a page, seal it, download the package.",
        epilog="退出码 exit code: 0 已封存 sealed, 1 网页未能采集 page not captured, 2 输入有误或平台未运行",
    )
    parser.add_argument("url", metavar="URL", help="网页地址 address of the page")
    parser.add_argument("--out", type=Path, required=True, help="证据包存放位置 where to write the .wacz")
    parser.add_argument("--reason", default="", help="证明对象 what the evidence is for")
    parser.add_argument("--json", action="store_true", help="以 JSON 输出结果 print the result as JSON")
    return parser


def main(argv: list[str]) -> int:
    """Run the command. Gives the exit code: 0 sealed, 1 the page could not be captured, 2 wrong call."""
    given = _arguments().parse_args(argv)
    try:
        folder = given.out.absolute().parent
        if given.out.is_dir() or not folder.is_dir():
            raise RefusedError(f"无法写入 {given.out} / cannot write there")
        with open_platform(load()) as client:
            capture = _order(client, given.url, given.reason)
            with _screen(given.json) as show:
                done = _follow(client, capture["id"], show)
            if done["state"] != "sealed":
                reason = done["reason"] or {"zh": "采集未完成", "en": "the capture did not finish"}
                raise UnusableError(f"{reason['zh']} / {reason['en']}")
            _download(client, done, given.out)
    except RefusedError as error:
        print(f"wangjian: {error}", file=sys.stderr)
        return _WRONG
    except UnusableError as error:
        print(f"wangjian: {error}", file=sys.stderr)
        return _UNUSABLE
    print(json.dumps(_result(done, given.out), ensure_ascii=False) if given.json else _words(done, given.out))
    return _DONE if done["outcome"] in ("COMPLETE", "PARTIAL") else _UNUSABLE


def _order(client: httpx.Client, url: str, reason: str) -> dict[str, Any]:
    # One key for this call: a repeat after a lost answer cannot order twice.
    headers = {"idempotency-key": new_id()}
    try:
        answer = client.post("/api/captures", json={"url": url, "reason": reason}, headers=headers)
    except httpx.TransportError as error:
        raise away(client) from error
    if not answer.is_success:
        raise RefusedError(say(answer))
    return dict(answer.json())


def _follow(client: httpx.Client, capture_id: str, show: "Screen") -> dict[str, Any]:
    """Watch until the capture has ended; a broken stream is taken up where it was."""
    last, patience = 0, time.monotonic() + _RETRY_SECONDS
    while True:
        try:
            for name, number, data in _events(client, capture_id, last):
                patience = time.monotonic() + _RETRY_SECONDS
                if name == "done":
                    return data
                last = number
                show.step(data)
        except httpx.TransportError as error:
            if time.monotonic() > patience:
                raise UnusableError(
                    f"与平台的连接中断,采集 {capture_id} 仍在进行 / connection lost; the capture goes on"
                ) from error
        time.sleep(1)


def _events(client: httpx.Client, capture_id: str, last: int) -> Iterator[tuple[str, int, dict[str, Any]]]:
    headers = {"last-event-id": str(last), "accept": "text/event-stream"}
    with client.stream("GET", f"/api/captures/{capture_id}/events", headers=headers) as answer:
        if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise httpx.RemoteProtocolError(f"HTTP {answer.status_code}")
        if not answer.is_success:
            answer.read()
            raise RefusedError(say(answer))
        name, number = "", last
        for line in answer.iter_lines():
            key, _, value = line.partition(": ")
            if key == "event":
                name = value
            elif key == "id":
                number = int(value)
            elif key == "data":
                yield name, number, json.loads(value)


def _download(client: httpx.Client, done: dict[str, Any], out: Path) -> None:
    """Write the package; it appears under its name only when its digest is the sealed one."""
    partial = out.with_name(f".{out.name}.part")
    digest = hashlib.sha256()
    try:
        params = {"reason": "wangjian capture --out"}
        with (
            client.stream("GET", f"/api/evidence/{done['id']}/package", params=params) as answer,
            partial.open("wb") as file,
        ):
            if not answer.is_success:
                answer.read()
                raise UnusableError(say(answer))
            for chunk in answer.iter_bytes():
                digest.update(chunk)
                file.write(chunk)
        if digest.hexdigest() != done["sha256"]:
            raise UnusableError("下载的证据包与封存的摘要不符 / the package differs from what was sealed")
        partial.replace(out)
    except httpx.TransportError as error:
        raise UnusableError(f"证据包下载中断 / the download broke off: {error}") from error
    except OSError as error:
        raise RefusedError(f"无法写入 {out}: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)


def _result(done: dict[str, Any], out: Path) -> dict[str, Any]:
    kept = ("id", "evidence_no", "url", "title", "outcome", "reason", "sha256", "sm3", "bytes")
    return {**{name: done[name] for name in kept}, "package": str(out)}


def _words(done: dict[str, Any], out: Path) -> str:
    outcome = {"COMPLETE": "完整", "PARTIAL": "部分", "BLOCKED": "被拦截", "FAILED": "失败"}[done["outcome"]]
    lines = [
        f"证据编号 evidence  {done['evidence_no']}",
        f"结果 outcome       {outcome} {done['outcome']}",
    ]
    if done["reason"]:
        lines.append(f"说明 reason        {done['reason']['zh']} / {done['reason']['en']}")
    lines += [
        f"SHA-256            {done['sha256']}",
        f"SM3                {done['sm3']}",
        f"证据包 package     {out}",
    ]
    return "\n".join(lines)


class Screen:
    """Steps on a terminal; silent when nobody watches."""

    def __init__(self, progress: Any = None) -> None:
        self._progress = progress
        self._tasks: dict[int, Any] = {}

    def step(self, step: dict[str, Any]) -> None:
        """Show a step that began or ended."""
        if self._progress is None:
            return
        seq, running = step["seq"], step["state"] == "running"
        if seq not in self._tasks:
            self._tasks[seq] = self._progress.add_task(f"{step['zh']} {step['en']}", total=1)
        if not running:
            mark = "" if step["state"] == "done" else " [red]失败 failed[/red]"
            self._progress.update(
                self._tasks[seq], completed=1, description=f"{step['zh']} {step['en']}{mark}"
            )


@contextlib.contextmanager
def _screen(as_json: bool) -> Iterator[Screen]:
    """Progress on standard error when it is a terminal."""
    if as_json or not sys.stderr.isatty():
        yield Screen()
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(finished_text="✓"), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield Screen(progress)
