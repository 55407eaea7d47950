"""Rows of before are cut into the grams of now, and back: what is asked of either finds them."""

from collections.abc import Callable

import psycopg
from sqlalchemy import create_engine

from services.common.migrate import run
from services.common.personal import PersonalData
from services.common.personal_keys import load
from services.registry.search.places import MOVED
from services.registry.search.rules import contact_grams, search_fields

NAMES = ("赣州脐橙旗舰店", "茶ab店", "A1", "订货13870712345", "𠮷祥\\店", "", "店")
ROW = (
    "INSERT INTO presences (id, channel, name, source, source_id, warnings, org_code, created_by, created_at,"
    " updated_at, region_code, search_text, grams)"
    " VALUES (%s, 'shop', %s, 's', %s, '[]', 'o', 't', now(), now(), '360702', %s, '{}')"
)
PLACED = (
    "INSERT INTO presences (id, channel, name, source, source_id, warnings, org_code, created_by, created_at,"
    " updated_at, region_code, search_text, grams, contact_grams)"
    " VALUES (%s, 'shop', %s, 's', %s, '[]', 'o', 't', now(), now(), %s, %s, %s, %s)"
)


def grams(url: str) -> dict[str, list[int]]:
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        rows = connection.execute("SELECT name, grams FROM presences").fetchall()
    return {name: sorted(numbers) for name, numbers in rows}


def test_grams_go_down_and_up_again(make_database: Callable[[str], str]) -> None:
    url = make_database("registry")
    now = {name: sorted(search_fields([name], "360702")[1]) for name in NAMES}
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        for at, name in enumerate(NAMES):
            connection.execute(ROW, [f"{at:026d}", name, str(at), search_fields([name], "360702")[0]])
    run("registry", url, "downgrade", "0015")
    before = grams(url)
    assert all(set(now[name]) <= set(before[name]) for name in NAMES)
    threes = {name: len(before[name]) - len(now[name]) for name in NAMES}
    assert threes == {name: len(_old_threes(search_fields([name], "360702")[0])) for name in NAMES}
    run("registry", url, "upgrade", "head")
    assert grams(url) == now


def test_those_who_name_a_place_from_elsewhere_are_marked_and_unmarked(
    make_database: Callable[[str], str],
) -> None:
    url, name = make_database("registry"), "南昌市脐橙旗舰店"
    values = {"address": "江西省南昌市东湖区1号", "phone": "13800000000"}
    with create_engine(url).begin() as keys:
        personal = PersonalData(load(keys))
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        for at, region in enumerate(("360702", "360102", "360121", "360000")):
            text, grams = search_fields([name], region)
            row = (f"{at:026d}", name, str(at), region, text, grams)
            connection.execute(PLACED, [*row, contact_grams(values, region, personal.gram)])
        connection.execute("UPDATE presences SET region_code = '360703' WHERE region_code = '360121'")
    marked = arrays(url)
    assert [MOVED in (*plain, *keyed) for plain, keyed in marked] == [False, False, True, False]
    run("registry", url, "downgrade", "0019")
    bare = arrays(url)
    assert len({(tuple(plain), tuple(keyed)) for plain, keyed in bare}) == 1
    assert [len(marked[0][at]) - len(bare[0][at]) for at in (0, 1)] == [2, 4]  # 南昌, 昌市; 东湖, 湖区
    run("registry", url, "upgrade", "head")
    assert arrays(url) == [marked[0], marked[1], marked[0], marked[3]]  # the moved one by where it is now


def arrays(url: str) -> list[tuple[list[int], list[int]]]:
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        rows = connection.execute("SELECT grams, contact_grams FROM presences ORDER BY id").fetchall()
    return [(sorted(grams), sorted(contacts)) for grams, contacts in rows]


def _old_threes(text: str) -> set[str]:
    windows = {text[at : at + 3] for at in range(len(text) - 2)}
    return {one for one in windows if not one.isascii()}
