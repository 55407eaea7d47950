"""启动平台 start the platform on this machine"""

import subprocess
import sys
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def up(
    background: Annotated[
        bool, typer.Option("--background", help="就绪后转入后台 return once ready")
    ] = False,
    demo: Annotated[
        bool, typer.Option("--demo/--no-demo", help="演示商城与演示人员 demo market and staff")
    ] = True,
    then_log: Annotated[bool, typer.Option("--then-log", hidden=True)] = False,
) -> None:
    """启动全部进程，Ctrl-C 停止。Start everything; Ctrl-C stops it."""
    if background:
        raise typer.Exit(_in_background(demo=demo))
    from infra.launcher.up import run
    from wangjian.commands._settings import load

    raise typer.Exit(run(load(), demo=demo, then_log=then_log))


def _in_background(*, demo: bool) -> int:
    """Start a launcher in a session of its own, pass its lines on until it is ready and closes the pipe."""
    command = [sys.executable, "-m", "wangjian.cli", "up", "--then-log", "--demo" if demo else "--no-demo"]
    launcher = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert launcher.stdout is not None  # noqa: S101 - asked for above
    ready = False
    try:
        for line in launcher.stdout:
            sys.stdout.buffer.write(line)
            sys.stdout.flush()
            ready = ready or line.startswith(b"ready ")
    except KeyboardInterrupt:
        launcher.terminate()
        launcher.wait()
        return 130
    return 0 if ready and launcher.poll() is None else launcher.wait()
