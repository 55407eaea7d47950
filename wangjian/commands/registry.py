"""主体档案 shops and subjects: keys of personal values"""

from collections.abc import Coroutine
from typing import Any, TypeVar

import typer

T = TypeVar("T")
app = typer.Typer(add_completion=False, no_args_is_help=True, help="主体档案 the registry, on this machine")

# Each command imports what it needs itself: `--help` and the quick ones stay quick.


@app.callback()
def registry() -> None:
    """主体档案。The registry."""


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end; a refusal or a database that is not there is one clear line and exit code 2."""
    import asyncio

    from sqlalchemy.exc import OperationalError

    from services.common.problems import Problem

    try:
        return asyncio.run(work)
    except Problem as problem:
        todo = f"（{problem.todo_zh}）" if problem.todo_zh else ""
        typer.echo(f"wangjian: {problem.zh}{todo} / {problem.en}", err=True)
    except OperationalError:
        typer.echo("wangjian: 数据库没有运行，请先 wangjian up / the database is not running", err=True)
    raise typer.Exit(2)
