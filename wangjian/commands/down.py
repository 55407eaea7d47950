"""停止平台 stop the platform of this home"""

import sys
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def down(seconds: Annotated[float, typer.Option(help="最多等待秒数 longest wait", min=1)] = 120.0) -> None:
    """停止本目录（WANGJIAN_HOME）的平台并等待其结束。Stop the platform of WANGJIAN_HOME and wait."""
    from infra.launcher.home import Home
    from wangjian.commands._settings import load

    settings = load()
    home = Home(settings.home, settings.run_dir)
    if home.status() is None:
        print("未在运行 not running")
        return
    if not home.ask_to_stop(seconds):
        print(f"wangjian: {seconds:g} 秒内未停止 still stopping after {seconds:g} s", file=sys.stderr)
        raise typer.Exit(1)
    print("已停止 stopped")
