"""Rows of before are cut into the grams of now, and back: what is asked of either finds them."""

from collections.abc import Callable

import psycopg

from services.common.migrate import run
from services.registry.search.rules import search_fields

NAMES = ("赣州脐橙旗舰店", "茶ab店", "A1", "订货13870712345", "𠮷祥\\店", "", "店")
ROW = (
    "INSERT INTO presences (id, channel, name, source, source_id, warnings, org_code, created_by, created_at,"
    " updated_at, region_code, search_text, grams)"
    " VALUES (%s, 'shop', %s, 's', %s, '[]', 'o', 't', now(), now(), '360702', %s, '{}')"
)


def grams(url: str) -> dict[str, list[int]]:
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        rows = connection.execute("SELECT name, grams FROM presences").fetchall()
    return {name: sorted(numbers) for name, numbers in rows}


def test_grams_go_down_and_up_again(make_database: Callable[[str], str]) -> None:
    url = make_database("registry")
    now = {name: sorted(search_fields([name])[1]) for name in NAMES}
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        for at, name in enumerate(NAMES):
            connection.execute(ROW, [f"{at:026d}", name, str(at), search_fields([name])[0]])
    run("registry", url, "downgrade", "0015")
    before = grams(url)
    assert all(set(now[name]) <= set(before[name]) for name in NAMES)
    threes = {name: len(before[name]) - len(now[name]) for name in NAMES}
    assert threes == {name: len(_old_threes(search_fields([name])[0])) for name in NAMES}
    run("registry", url, "upgrade", "head")
    assert grams(url) == now


def _old_threes(text: str) -> set[str]:
    windows = {text[at : at + 3] for at in range(len(text) - 2)}
    return {one for one in windows if not one.isascii()}
