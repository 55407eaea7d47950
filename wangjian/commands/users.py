"""管理账号 make and list accounts on this machine, reset passwords"""

from typing import Annotated, Any

import typer

from wangjian.commands._running import run

app = typer.Typer(add_completion=False, no_args_is_help=True, help="管理账号 accounts, on this machine only")


@app.command()
def create(
    username: Annotated[str, typer.Argument(help="用户名 user name")],
    name: Annotated[str, typer.Option("--name", help="姓名 the person's name")],
    org: Annotated[str, typer.Option("--org", help="机构代码 organisation code, e.g. 360000-SJ")],
    org_name: Annotated[str, typer.Option("--org-name", help="机构名称 the organisation's name")],
    role: Annotated[
        str | None,
        typer.Option("--role", help="仅限首批管理员 first administrators only: sysadmin|secadmin|auditor"),
    ] = None,
) -> None:
    """新建账号并显示一次性口令。Make an account and show its one-time password."""
    from gateway.accounts.roles import ADMINISTRATORS
    from gateway.accounts.service import Staff
    from gateway.bootstrap import show_passwords

    if role is not None and role not in ADMINISTRATORS:
        typer.echo(
            "wangjian: 命令行只能授予三种管理员角色，业务角色由安全管理员在控制台授予"
            f" / --role takes {', '.join(sorted(ADMINISTRATORS))};"
            " the security administrator grants the others",
            err=True,
        )
        raise typer.Exit(2)
    staff = Staff(username, name, org, org_name, frozenset({role} if role else ()))

    async def work() -> Any:
        from gateway.desk import desk
        from wangjian.commands._settings import load

        async with desk(load()) as at:
            return await at.accounts.create(at.claims, staff)

    show_passwords([run(work())])


@app.command("list")
def list_users() -> None:
    """列出全部账号。List all accounts."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    from gateway.accounts.roles import ROLES

    async def work() -> Any:
        from gateway.desk import desk
        from wangjian.commands._settings import load

        async with desk(load()) as at:
            return await at.accounts.every_user()

    table = Table(box=SIMPLE_HEAD)
    for heading in ("用户名 user", "角色 roles", "机构 organisation", "状态 state"):
        table.add_column(heading, no_wrap=True)
    for user in run(work()):
        roles = "、".join(ROLES[code].zh for code in user.roles) or "（无 none）"
        state = "停用 disabled" if user.disabled else "锁定 locked" if user.locked_until else "正常 active"
        table.add_row(user.username, roles, user.org_name, state)
    Console(width=max(Console().width, 90)).print(table)


@app.command("reset-password")
def reset_password(username: Annotated[str, typer.Argument(help="用户名 user name")]) -> None:
    """重置口令并显示新的一次性口令。Reset a password and show the new one-time password."""
    from gateway.bootstrap import show_passwords

    async def work() -> Any:
        from gateway.desk import desk
        from wangjian.commands._settings import load

        async with desk(load()) as at:
            return await at.accounts.reset_by_name(at.claims, username)

    show_passwords([run(work())])
