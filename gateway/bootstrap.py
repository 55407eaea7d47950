"""First start: the local operator's token and, with --demo, the demo staff with one-time passwords printed
once.

python -m gateway.bootstrap [--demo]
"""

import argparse
import asyncio

from rich import box
from rich.console import Console
from rich.table import Table

from gateway.accounts.roles import ROLES
from gateway.accounts.schemas import OneTimePassword
from gateway.accounts.service import DEMO_STAFF
from gateway.desk import desk
from services.common.settings import Settings, get_settings


async def _bootstrap(settings: Settings, *, demo: bool) -> list[OneTimePassword]:
    async with desk(settings) as at:
        await at.sign_in.make_operator_token(settings.home / "operator.token")
        return await at.accounts.create_missing(at.claims, DEMO_STAFF) if demo else []


def password_table(made: list[OneTimePassword]) -> Table:
    """The accounts just made, narrow enough for 80 columns; the password stands last in its line."""
    table = Table(
        title="一次性口令，仅显示这一次，首次登录须修改\none-time passwords, shown only now",
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    for heading in ("机构 organisation", "角色 role", "用户名 user", "口令 password"):
        table.add_column(heading, no_wrap=True)
    for one in made:
        user = one.user
        roles = "、".join(ROLES[code].zh for code in user.roles) or "（待授权 none yet）"
        table.add_row(user.org_name, roles, user.username, one.one_time_password)
    return table


def show_passwords(made: list[OneTimePassword]) -> None:
    """Print the table, never cutting a password, whatever the terminal's width."""
    Console(width=max(Console().width, 96)).print(password_table(made))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m gateway.bootstrap")
    parser.add_argument("--demo", action="store_true", help="make the demo staff")
    given = parser.parse_args()
    made = asyncio.run(_bootstrap(get_settings(), demo=given.demo))
    if made:
        show_passwords(made)
    elif given.demo:
        print("演示人员已存在，口令不再显示 / demo staff exist already")
    else:
        print("本机操作员令牌已就绪 / the local operator's token is ready")


if __name__ == "__main__":
    main()
