"""First start: the local operator's token and, with --demo, the demo staff with one-time passwords printed
once.

python -m gateway.bootstrap [--demo]
"""

import argparse
import asyncio

from rich.box import SIMPLE_HEAD
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
    """The accounts just made; the password stands last in its line, and is never cut."""
    table = Table(title="一次性口令 one-time passwords", box=SIMPLE_HEAD, title_justify="left")
    table.add_column("角色 role", no_wrap=True)
    table.add_column("机构 organisation", no_wrap=True)
    table.add_column("用户名 user", no_wrap=True, min_width=max(len(one.user.username) for one in made))
    table.add_column("口令 password", no_wrap=True, min_width=max(len(one.one_time_password) for one in made))
    for one in made:
        roles = "、".join(ROLES[code].zh for code in one.user.roles) or "待授权 none"
        table.add_row(roles, one.user.org_name, one.user.username, one.one_time_password)
    return table


def show_passwords(made: list[OneTimePassword]) -> None:
    """Print the table and what to do with it, at least 84 columns wide so that nothing important is cut."""
    console = Console()
    console = Console(width=max(console.width, 84))
    console.print(password_table(made))
    console.print("仅显示这一次，首次登录须修改。Shown only now; to be changed at the first sign-in.")


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
