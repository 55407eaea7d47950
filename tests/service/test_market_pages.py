"""The demo market: every page renders, pictures differ, and the ground truth is really on the pages."""

import csv
import hashlib
import html
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from infra.demo_market import catalogue, certificates, ground_truth
from infra.demo_market.app import create_app
from infra.demo_market.drawing import gallery
from infra.demo_market.identifiers import USCC_ALPHABET, check_character, credit_code, organisation_code

TRUTH = ground_truth.ground_truth()["entries"]
SHOPS = catalogue.shops()


@pytest.fixture(scope="module")
def site():
    transport = httpx.ASGITransport(app=create_app(), raise_app_exceptions=True)
    return httpx.AsyncClient(transport=transport, base_url="http://market.localhost:8081")


def address(host: str, path: str) -> str:
    return f"http://{host}:8081{path}"


def words(page: str) -> str:
    return html.unescape(page)


async def page_of(site, listing) -> str:
    answer = await site.get(address(listing.shop.host, listing.path))
    assert answer.status_code == 200, (listing.shop.slug, listing.path)
    return words(answer.text)


async def test_market_every_item_page_renders_with_lazy_pictures_and_the_note(site):
    for listing in catalogue.listings():
        page = await page_of(site, listing)
        assert page.count("data-src=") >= 10
        assert f'src="{listing.pictures[0]}"' in page
        assert listing.title in page
        assert "演示数据，纯属虚构" in page
        for picture in listing.panel_pictures:
            assert f'data-src="{picture}"' in page


async def test_market_other_pages_render(site):
    paths = [
        "/",
        "/search?q=脐橙",
        "/search?cat=白酒&sort=price",
        "/feed",
        "/api/feed?page=2",
        "/trials/",
        "/robots.txt",
    ]
    paths += [f"/shop/{slug}" for slug, shop in SHOPS.items() if not shop.is_site]
    paths += [f"/license/{slug}" for slug in SHOPS]
    paths += [f"/elabel/{number}" for number in catalogue.labels()]
    for path in paths:
        answer = await site.get(path)
        assert answer.status_code == 200, path
    for shop in (shop for shop in SHOPS.values() if shop.is_site):
        for path in ("/", "/list?page=2", "/about", "/contact", "/news"):
            assert (await site.get(address(shop.host, path))).status_code == 200
            assert (await site.get(f"http://127.0.0.1:8081/site/{shop.slug}{path}")).status_code == 200
    assert (await site.get("/item/1")).status_code == 404
    assert (await site.get("/img/600000000000/0.svg")).status_code == 404


async def test_market_links_by_address_stay_by_address(site):
    home = words((await site.get("http://127.0.0.1:8081/site/yunwucha/")).text)
    assert 'href="/site/yunwucha/product/1001.html"' in home
    assert "localhost" not in re.sub(r"<title>.*?</title>", "", home)
    by_name = words((await site.get("http://yunwucha.localhost:8081/")).text)
    assert 'href="/product/1001.html"' in by_name


def test_market_pictures_are_unique_and_stable():
    seen: dict[str, str] = {}
    for listing in catalogue.listings():
        for path in (listing.pictures[0], listing.pictures[3], *listing.panel_pictures[:1]):
            svg = gallery.draw(path.removeprefix("/img/"))
            digest = hashlib.sha256(svg.encode()).hexdigest()
            assert digest not in seen, (path, seen[digest])
            seen[digest] = path
    first = catalogue.listings()[0].pictures[0].removeprefix("/img/")
    assert gallery.draw(first) == gallery.draw(first)


def test_market_catalogue_is_the_same_in_another_process():
    code = (
        "import hashlib;from infra.demo_market import catalogue as c;"
        "print(hashlib.sha256(repr(c.listings()).encode()).hexdigest())"
    )
    other = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "7"},
        cwd=Path(ground_truth.__file__).parents[2],
    )
    here = hashlib.sha256(repr(catalogue.listings()).encode()).hexdigest()
    assert other.stdout.strip() == here
    assert len(catalogue.listings()) == 300
    assert len({listing.number for listing in catalogue.listings()}) == 300


def test_market_ground_truth_file_is_current():
    assert json.loads(ground_truth.FILE.read_text(encoding="utf-8")) == ground_truth.ground_truth()


@pytest.mark.parametrize(
    "entry", [e for e in TRUTH if e["kind"] == "violation" and e["medium"] == "text"], ids=lambda e: e["id"]
)
async def test_market_planted_text_is_on_its_page(site, entry):
    page = words((await site.get(address(entry["host"], entry["path"]))).text)
    for text in entry["texts"]:
        assert text in page


@pytest.mark.parametrize(
    "entry", [e for e in TRUTH if e["kind"] == "violation" and e["medium"] == "image"], ids=lambda e: e["id"]
)
async def test_market_planted_lettering_is_in_the_picture_only(site, entry):
    listing = catalogue.by_number()[entry["listing"]]
    page = await page_of(site, listing)
    drawn = [
        gallery.draw(path.removeprefix("/img/")) for path in [*listing.pictures, *listing.panel_pictures]
    ]
    for text in entry["texts"]:
        assert any(text in words(svg) for svg in drawn)
        assert text not in page


async def test_market_lures_are_really_written(site):
    lures = [entry for entry in TRUTH if entry["kind"] == "lure"]
    assert len(lures) > 50
    for entry in lures[::5]:
        page = await page_of(site, catalogue.by_number()[entry["listing"]])
        plain = re.sub(r"<[^>]+>", "", page)
        assert all(
            text in page or text in plain or text in plain.replace("：", "") for text in entry["texts"]
        )


def test_market_former_prices_are_honest_unless_planted():
    tricked = {e["listing"] for e in TRUTH if e["kind"] == "violation" and e["place"] == "price"}
    for listing in catalogue.listings():
        charged = {deal.price for deal in listing.deals if deal.days <= 7}
        honest = listing.former is None or (listing.former > listing.price and listing.former in charged)
        assert (honest and listing.list_price == listing.price) != (listing.number in tricked), listing.path


def test_market_clean_shop_has_no_planted_term():
    """A negative control: the planted words occur nowhere but where they were planted."""
    planted = {
        t for e in TRUTH if e["kind"] == "violation" and e["listing"] for t in e["texts"] if len(t) > 3
    }
    for listing in catalogue.of_shop("jixianhui"):
        text = " ".join([listing.title, listing.subtitle, listing.ribbon, *listing.details, *listing.points])
        assert not [term for term in planted if term in text]
        assert not re.search(r"第一|顶级|治疗|特供|国家级|根治|微信|加V", text)


def test_market_subjects_csv_has_valid_credit_codes():
    rows = list(csv.DictReader(io.StringIO(catalogue.subjects_csv())))
    assert list(rows[0]) == ["id", "name", "phone", "qq", "wechat", "address", "licence", "icp", "platform"]
    assert len(rows) == 10
    codes = [row["licence"] for row in rows if row["licence"]]
    assert len(set(codes)) == 9
    for code in codes:
        assert len(code) == 18
        assert check_character(code[:17]) == code[17]
        assert organisation_code(code[8:16]) == code[8:17]
        wrong = USCC_ALPHABET[(USCC_ALPHABET.index(code[17]) + 1) % 31]
        assert check_character(code[:17]) != wrong
    # codes of real, published businesses fix the arithmetic
    assert check_character("91330106673959654") == "P"
    assert check_character("91440300192203821") == "6"
    assert organisation_code("67395965") == "673959654"
    assert credit_code("91", "360113", 0).startswith("91360113MADEM000")


def test_market_operators_share_what_the_truth_says():
    links = {(e["feature"], tuple(e["shops"])) for e in TRUTH if e["kind"] == "link"}
    assert ("phone", ("yunwucha", "kangshou")) in links
    assert ("qq", ("pinlemei", "meiyan")) in links
    assert ("wechat", ("kangshou", "alian")) in links


async def test_market_label_page_compares_the_visitors_site(site):
    number = SHOPS["kangshou"].label_shown
    assert number == SHOPS["yuanxing"].label_shown
    right = await site.get(f"/elabel/{number}", headers={"Referer": "http://yuanxing.localhost:8081/"})
    wrong = await site.get(f"/elabel/{number}", headers={"Referer": "http://kangshou.localhost:8081/"})
    assert "verdict ok" in right.text
    assert "verdict mismatch" in wrong.text
    assert "未查询到" in (await site.get("/elabel/赣网标000")).text


def test_market_certificates_are_made_once_and_pinned(tmp_path):
    names = ["market.localhost", "alian.localhost"]
    chain, key = certificates.ensure(tmp_path / "tls", names)
    first = chain.read_bytes()
    assert key.stat().st_mode & 0o777 == 0o600
    assert len((tmp_path / "tls" / "spki.txt").read_text().strip()) == 44
    certificates.ensure(tmp_path / "tls", names)
    assert chain.read_bytes() == first
    certificates.ensure(tmp_path / "tls", [*names, "new.localhost"])
    assert chain.read_bytes() != first
