"""查看各进程状态 show what runs"""

import json
import time
from typing import Annotated, Any

import typer

app = typer.Typer(add_completion=False)


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="机器可读 machine-readable")] = False,
) -> None:
    """显示平台各进程。退出码：0 就绪，1 未就绪。Exit code 0 when ready, 1 when not."""
    from infra.launcher.home import Home
    from wangjian.commands._settings import load

    settings = load()
    running = Home(settings.home, settings.run_dir).status()
    if as_json:
        print(json.dumps(_report(running), ensure_ascii=False))
    elif running is None:
        print("未在运行 not running")
    else:
        print(f"{running['state']}  {running['url']}  pid {running['pid']}")
        for name, child in running["children"].items():
            minutes = (time.time() - child["since"]) / 60
            print(
                f"  {name:<15} {child['state']:<11} pid {child['pid'] or '-':<8} "
                f"重启 restarts {child['restarts']:<3} {minutes:.0f} min"
            )
    ok = running is not None and running["state"] == "ready" and not _down(running["children"])
    raise typer.Exit(0 if ok else 1)


def _report(running: dict[str, Any] | None) -> dict[str, object]:
    if running is None:
        return {"state": "stopped", "processes": []}
    processes = [{"name": name, **child} for name, child in running["children"].items()]
    return {"state": running["state"], "url": running["url"], "pid": running["pid"], "processes": processes}


def _down(children: dict[str, dict[str, object]]) -> list[str]:
    return [name for name, child in children.items() if child["state"] != "ready"]
