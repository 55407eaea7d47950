"""Importing a list through the running platform's door, as the local operator."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from services.common.ids import new_id
from services.common.settings import Settings
from wangjian.commands._platform import Meter, RefusedError, ask, away, open_platform, say

_DONE, _PARTLY, _WRONG = 0, 1, 2
_WORKING = {"checking", "running"}
# Each look costs the platform some milliseconds that the import could use; near the end waiting costs more.
_PAUSE_SECONDS, _NEAR_THE_END, _SHORT_PAUSE_SECONDS = 1.0, 0.95, 0.1
_PATIENCE_SECONDS = 60.0
_SHOWN = 20
_COUNTS = ("rows", "created", "updated", "unchanged", "doubled", "warning_count", "error_count")


def import_list(settings: Settings, file: Path, source: str, *, dry_run: bool, as_json: bool) -> int:
    """Upload a list and take it in, or only try it. Gives the exit code: 0 all rows, 1 some refused, 2
    none."""
    try:
        with open_platform(settings) as client:
            received = _upload(client, file, source)
            path = f"/api/imports/{received['id']}"
            asked = ask(client, "POST", f"{path}/{'check' if dry_run else 'start'}")
            result = _follow(client, path, asked)
            if dry_run:
                _discard(client, path)
    except RefusedError as error:
        print(f"wangjian: {error}", file=sys.stderr)
        return _WRONG
    counts = (result["plan"] or result) if dry_run else result
    told = {name: counts[name] for name in _COUNTS}
    if as_json:
        kept = {name: result[name] for name in ("id", "source", "filename", "sha256", "encoding", "state")}
        print(json.dumps({**kept, **told, "errors": result["errors"]}, ensure_ascii=False))
    else:
        _tell(result, told, dry_run=dry_run)
    whole = result["state"] == ("checked" if dry_run else "done")
    return _DONE if whole and not told["error_count"] else _PARTLY


def _upload(client: httpx.Client, file: Path, source: str) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            answer = client.post(
                "/api/imports",
                files={"file": (file.name, stream, "application/octet-stream")},
                data={"source": source},
                headers={"idempotency-key": new_id()},
                timeout=httpx.Timeout(600.0, connect=5.0),
            )
    except OSError as error:
        raise RefusedError(f"无法读取 {file}:{error.strerror} / cannot read the file") from error
    except httpx.TransportError as error:
        raise away(client) from error
    if not answer.is_success:
        raise RefusedError(say(answer))
    return dict(answer.json())


def _follow(client: httpx.Client, path: str, asked: dict[str, Any]) -> dict[str, Any]:
    """Watch until the work has ended; a platform that restarts meanwhile goes on with it by itself."""
    meter, patience = Meter(), time.monotonic() + _PATIENCE_SECONDS
    found = asked
    while found["state"] in _WORKING:
        meter.show(f"{found['state_zh']} {found['state_en']} {found['progress']:.0%} {found['rows']}")
        near = found["rows"] == 0 or found["progress"] > _NEAR_THE_END
        time.sleep(_SHORT_PAUSE_SECONDS if near else _PAUSE_SECONDS)
        try:
            found = ask(client, "GET", path)
            patience = time.monotonic() + _PATIENCE_SECONDS
        except RefusedError:
            if time.monotonic() > patience:
                raise
    meter.clear()
    return found


def _discard(client: httpx.Client, path: str) -> None:
    try:
        client.delete(path)
    except httpx.TransportError as error:
        raise away(client) from error


def _tell(result: dict[str, Any], counts: dict[str, int], *, dry_run: bool) -> None:
    state = "试运行 dry run" if dry_run else f"{result['state_zh']} {result['state_en']}"
    print(
        f"{state}：行 rows {counts['rows']}，新增 created {counts['created']}，"
        f"更新 updated {counts['updated']}，未变 unchanged {counts['unchanged']}，"
        f"重复 doubled {counts['doubled']}，提醒 warnings {counts['warning_count']}，"
        f"未导入 errors {counts['error_count']}"
    )
    print(f"编号 id {result['id']}  编码 encoding {result['encoding']}  SHA-256 {result['sha256']}")
    if not result["layout"]["sure"]:
        print("wangjian: 编码是推断的，请核对名称 / encoding guessed: check the names", file=sys.stderr)
    for row in result["errors"][:_SHOWN]:
        print(f"  第{row['row']}行 {row['field']} {row['zh']} / {row['en']}", file=sys.stderr)
    if result["problem"]:
        print(f"wangjian: {result['problem']['zh']} / {result['problem']['en']}", file=sys.stderr)
