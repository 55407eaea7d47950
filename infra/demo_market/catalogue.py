"""The stock of the demo market: ten shops and three hundred listings, the same on every machine.

Everything is derived from the data files and fixed seeds at import; nothing is read from the clock. What is
wrong on purpose is planted from `data/plants.json` and told by `ground_truth`.
"""

from __future__ import annotations

import csv
import io
import json
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from infra.demo_market.drawing.ink import seeded
from infra.demo_market.identifiers import credit_code, label_number
from infra.demo_market.model import Deal, Label, Listing, Review, Shop
from infra.demo_market.planting import plant_all

DATA = Path(__file__).parent / "data"
PER_SHOP = 30


def load(name: str) -> Any:
    """Read one of the package's JSON data files."""
    return json.loads((DATA / name).read_text(encoding="utf-8"))


@cache
def pages() -> dict[str, Any]:
    """Words that pages share."""
    words: dict[str, Any] = load("pages.json")
    return words


def flavour(category: str) -> str:
    """How buyers talk about a category: fresh, drink, food, beauty or ware."""
    return next((name for name, members in pages()["flavours"].items() if category in members), "ware")


@cache
def goods() -> dict[str, dict[str, Any]]:
    """The kinds of goods by key."""
    kinds: dict[str, dict[str, Any]] = load("goods.json")
    return kinds


def _shop(row: dict[str, Any]) -> Shop:
    rng = seeded("shop", row["slug"])
    uscc = credit_code(row["kind"], row["division"], row["serial"]) if row["company"] else ""
    label = row.get("label")
    held = (
        Label(
            label_number(label["area"], label["issued"], label["serial"]),
            label["site"],
            label["status"],
            row["slug"],
        )
        if label
        else None
    )
    return Shop(
        slug=row["slug"],
        name=row["name"],
        brand=row["brand"],
        style=row["style"],
        colour=row["colour"],
        kinds=tuple(row["kinds"]),
        slogan=row["slogan"],
        company=row["company"],
        uscc=uscc,
        division=row["division"],
        person=row["person"],
        address=row["address"],
        region=row["region"],
        authority=row["authority"],
        opened=row["opened"],
        scope=row["scope"],
        phone=row["phone"],
        phone_shown=row.get("phone_shown", row["phone"]),
        tel=row["tel"],
        qq=row["qq"],
        qq_shown=row.get("qq_shown", row["qq"]),
        wechat=row["wechat"],
        wechat_shown=row.get("wechat_shown", row["wechat"]),
        return_address=row["return_address"],
        food_permit=row.get("licence", ""),
        icp=row.get("icp", ""),
        police=row.get("police", ""),
        notice=row["notice"],
        label=held,
        label_shown=held.number if held else "",
        scores=(f"4.{rng.randint(6, 9)}", f"4.{rng.randint(5, 9)}", f"4.{rng.randint(6, 9)}"),
        fans=rng.randint(800, 260_000),
    )


@cache
def shops() -> dict[str, Shop]:
    """All shops by slug. One site shows the e-label that was issued to another (see the ground truth)."""
    made = {row["slug"]: _shop(row) for row in load("shops.json")}
    borrowed = made["yuanxing"].label_shown
    wrong = made["kangshou"]
    made["kangshou"] = Shop(**{**wrong.__dict__, "label_shown": borrowed})
    return made


@cache
def labels() -> dict[str, Label]:
    """E-labels by number, as their (fictional) issuer would know them."""
    return {shop.label.number: shop.label for shop in shops().values() if shop.label}


def _reviews(rng: Random, category: str, skus: list[tuple[str, int]]) -> list[Review]:
    pool = load_reviews()
    body = pool[flavour(category)]
    made = []
    for _ in range(rng.randint(4, 7)):
        text = rng.choice(pool["open"]) + "".join(rng.sample(body, rng.randint(1, 2)))
        text = (text + rng.choice(pool["close"])).rstrip("，。") + "。"
        made.append(
            Review(
                name=rng.choice(pool["names"]),
                text=text,
                days=rng.randint(1, 90),
                stars=rng.choice((5, 5, 5, 5, 4)),
                sku=rng.choice(skus)[0],
                reply=rng.choice(pool["replies"]) if rng.random() < 0.35 else "",
                picture=rng.random() < 0.3,
            )
        )
    return sorted(made, key=lambda review: review.days)


@cache
def load_reviews() -> dict[str, Any]:
    """Phrases buyers use, by kind of goods."""
    phrases: dict[str, Any] = load("reviews.json")
    return phrases


def _prices(rng: Random, span: list[float], size: int) -> tuple[int, list[int]]:
    """A natural-looking starting price and the prices of all SKUs, in fen."""
    low, high = span
    first = low + (high - low) * 0.35 * rng.random()
    tail = rng.choice((0.9, 0.8, 0.0, 0.5))
    ladder = []
    for step in range(size):
        yuan = first * (1 + step * rng.uniform(0.45, 0.85))
        ladder.append(
            round((int(yuan) + tail) * 100) if yuan > 5 else int(first * 100) // 10 * 10 + step * 100
        )
    return ladder[0], ladder


def _deals(rng: Random, price: int, former: int | None) -> list[Deal]:
    """Past sales; an honest former price was really charged within the last seven days."""
    rows = [Deal(rng.randint(0, 2), price, rng.randint(1, 3)) for _ in range(4)]
    rows += [Deal(rng.randint(4, 6), former or price, rng.randint(1, 4)) for _ in range(3)]
    return sorted(rows, key=lambda deal: deal.days)


def _title(rng: Random, shop: Shop, kind: dict[str, Any], spec: str) -> str:
    tags = rng.sample(kind["tags"], min(len(kind["tags"]), rng.randint(4, 6)))
    return f"{shop.brand} {tags[0]}{kind['noun']}{''.join(tags[1:3])} {' '.join(tags[3:])} {spec}".strip()


def _listing(shop: Shop, order: int) -> Listing:
    key = f"{shop.slug}/{order}"
    rng = seeded("listing", key)
    name = shop.kinds[order % len(shop.kinds)]
    kind = goods()[name]
    first, ladder = _prices(rng, kind["price"], len(kind["specs"]))
    skus = list(zip(kind["specs"], ladder, strict=True))
    former = int(first * rng.uniform(1.12, 1.5)) // 100 * 100 if rng.random() < 0.45 else None
    attributes = [
        ("品牌", shop.brand),
        ("货号", f"{shop.brand[0]}{1000 + order * 7}"),
        *kind["attrs"].items(),
    ]
    points = list(kind["points"])
    headings = pages()["headings"][: rng.randint(3, 5)]
    panels = [(words, _lines(place, kind, points, shop)) for place, words in enumerate(headings)]
    fresh = flavour(kind["cat"]) in ("fresh", "food", "drink")
    coloured = flavour(kind["cat"]) in ("ware", "beauty")
    rng.shuffle(points)
    return Listing(
        number=600_000_000_000 + seeded("number", key).randrange(10**11),
        order=order,
        shop=shop,
        kind=name,
        category=kind["cat"],
        title=_title(rng, shop, kind, kind["specs"][0].split()[0]),
        subtitle="，".join(points[:2]),
        price=first,
        former=former,
        list_price=first,
        sales=int(10 ** rng.uniform(1.3 if order else 3.6, 5)),
        stock=rng.randint(12, 4800),
        skus=skus,
        attributes=attributes,
        colours=list(kind["colours"]) if coloured else kind["colours"][:1],
        points=points,
        details=_details(rng, kind, points),
        ribbon="" if shop.style == "brand" else " ".join(rng.sample(kind["tags"], 2)),
        corner=rng.choice([*pages()["corners"], *(["产地直发"] * 3 if fresh else [])]),
        panels=panels,
        card=[],
        reviews=_reviews(rng, kind["cat"], skus),
        deals=_deals(rng, first, former),
        asks=[(ask, reply) for ask, reply in rng.sample(load_reviews()["asks"], 3)],
        draw=kind["draw"],
        colour=rng.choice(kind["colours"]),
        label=kind["label"],
    )


def _lines(number: int, kind: dict[str, Any], points: list[str], shop: Shop) -> list[str]:
    """The lettering of one description panel."""
    if number == 3:
        return [f"{name}：{value}" for name, value in list(kind["attrs"].items())[:4]]
    if number == 4:
        return ["七天无理由退货（鲜活易腐除外）", "破损、缺件请拍照联系客服"]
    return [points[number % len(points)], points[(number + 1) % len(points)], shop.slogan][
        : 3 if number == 0 else 2
    ]


def _details(rng: Random, kind: dict[str, Any], points: list[str]) -> list[str]:
    place = kind["attrs"].get("产地", "江西")
    return [
        f"这款{kind['noun']}来自{place}，{points[0]}，{points[1 % len(points)]}。",
        rng.choice(pages()["assurance"]),
        f"{points[2 % len(points)]}；{points[-1]}。",
    ]


@cache
def listings() -> tuple[Listing, ...]:
    """All listings with their plants, shop by shop."""
    made = tuple(_listing(shop, order) for shop in shops().values() for order in range(PER_SHOP))
    plant_all(made, load("plants.json")["plants"])
    return made


@cache
def by_number() -> dict[int, Listing]:
    """Listings by item number."""
    return {listing.number: listing for listing in listings()}


def of_shop(slug: str) -> list[Listing]:
    """The listings of one shop, in shelf order."""
    return [listing for listing in listings() if listing.shop.slug == slug]


def search(words: str = "", category: str = "", market_only: bool = True) -> list[Listing]:
    """Listings whose title, category or shop name holds every word."""
    terms = words.split()
    return [
        item
        for item in listings()
        if (not market_only or not item.shop.is_site)
        and (not category or item.category == category)
        and all(term in f"{item.title}{item.category}{item.shop.name}" for term in terms)
    ]


def subjects_csv() -> str:
    """The businesses behind the shops, for the registry's import.

    Header `id,name,phone,qq,wechat,address,licence,icp,platform`; `licence` is the unified social credit code
    (empty for the shop that shows none), `address` the return address parcels really go to.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["id", "name", "phone", "qq", "wechat", "address", "licence", "icp", "platform"])
    for number, shop in enumerate(shops().values(), start=1):
        platform = f"自建网站 {shop.host}" if shop.is_site else "赣鄱集市"
        writer.writerow(
            [
                f"D{number:03d}",
                shop.company or f"{shop.name}（未公示主体）",
                shop.phone,
                shop.qq,
                shop.wechat,
                shop.return_address,
                shop.uscc,
                shop.icp,
                platform,
            ]
        )
    return out.getvalue()


def featured_url(base: str) -> str:
    """The item page for a first capture, under `base` such as `http://127.0.0.1:8081`."""
    return base.rstrip("/") + of_shop("chenglixiang")[0].path
