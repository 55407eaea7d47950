"""Every service's schema goes down as well as up, and says the same as its models."""

from collections.abc import Callable

import pytest
from sqlalchemy import create_engine, inspect

from services.common.migrate import run, upgrade
from services.common.settings import DATABASES


def tables(url: str) -> set[str]:
    engine = create_engine(url)
    try:
        return set(inspect(engine).get_table_names()) - {"alembic_version"}
    finally:
        engine.dispose()


@pytest.mark.parametrize("service", DATABASES)
def test_the_schema_goes_down_and_up_again(service: str, make_database: Callable[[str], str]) -> None:
    url = make_database(service)
    before = tables(url)
    assert {"audit", "outbox", "inbox"} <= before
    run(service, url, "downgrade", "base")
    assert tables(url) == set()
    upgrade(service, url)
    assert tables(url) == before
    run(service, url, "check")  # raises when models and migrations differ
