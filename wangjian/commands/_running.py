"""Running a use case from the command line: what stops it is one clear line and exit code 2."""

from collections.abc import Coroutine
from typing import Any, TypeVar

import typer

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end; a refusal or a database that is not there ends the command with code 2."""
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
