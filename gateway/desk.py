"""The gateway's use cases for commands on the machine itself, without the HTTP side."""

import asyncio
import getpass
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from gateway.accounts.passwords import Passwords
from gateway.accounts.service import Accounts
from gateway.sessions.rules import Limits
from gateway.sessions.service import SignIn
from gateway.sessions.visits import Visits
from services.common.clock import utc_now
from services.common.database import Database
from services.common.identity import Claims, TokenIssuer
from services.common.migrate import upgrade
from services.common.settings import Settings


@dataclass(frozen=True)
class Desk:
    """What a command works with."""

    accounts: Accounts
    sign_in: SignIn
    claims: Claims


@asynccontextmanager
async def desk(settings: Settings) -> AsyncIterator[Desk]:
    """The use cases over this installation's database, brought to the newest schema first."""
    url = settings.database_url("gateway")
    await asyncio.to_thread(upgrade, "gateway", url)
    database = Database(url, "gateway", pool_size=2)
    try:
        visits = Visits(database, TokenIssuer(settings.keys_dir, "gateway"), Limits(), utc_now)
        passwords = Passwords()
        yield Desk(
            Accounts(database, visits, passwords, utc_now),
            SignIn(database, visits, passwords, utc_now),
            local_claims(),
        )
    finally:
        await database.close()


def local_claims() -> Claims:
    """Who the audit record names for a command on the machine: the operating system's user."""
    return Claims(
        sub="local:" + getpass.getuser()[:60],
        name="服务器命令行",
        org="",
        org_name="",
        region="000000",
        client_ip="local",
    )
