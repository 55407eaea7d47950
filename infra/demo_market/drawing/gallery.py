"""Which picture stands behind which address under `/img/`."""

from __future__ import annotations

from infra.demo_market import catalogue
from infra.demo_market.drawing import pictures
from infra.demo_market.model import Shop


def _goods_of(shop: Shop) -> list[tuple[str, str, str]]:
    rows = [catalogue.goods()[key] for key in shop.kinds]
    return [(str(row["draw"]), str(row["colours"][0]), str(row["label"])) for row in rows]


def _item(number: int, view: str) -> str | None:
    item = catalogue.by_number().get(number)
    if item is None:
        return None
    key = f"{item.shop.slug}/{item.order}"
    if view == "card":
        return pictures.card(key, item.card) if item.card else None
    if view.startswith("d") and view[1:].isdecimal() and int(view[1:]) < len(item.panels):
        place = int(view[1:])
        heading, lines = item.panels[place]
        return pictures.panel(key, place, (item.draw, item.colour, item.label), heading, lines)
    if view.isdecimal() and int(view) < 5:
        colour = item.colours[int(view) % len(item.colours)] if int(view) == 4 else item.colour
        return pictures.product(key, int(view), item.draw, colour, item.label, item.ribbon, item.corner)
    return None


def _of_shop(shop: Shop, group: str) -> str | None:
    goods = _goods_of(shop)
    match group:
        case "logo":
            return pictures.logo(shop.name, shop.colour)
        case "banner":
            name = shop.name.removesuffix("旗舰店")
            return pictures.banner(shop.slug, name, shop.slogan, goods, (1200, 360))
        case "poster":
            return pictures.panel(f"poster/{shop.slug}", 2, goods[0], shop.brand, [shop.slogan])
        case "scene":
            return pictures.scene(shop.slug, shop.colour)
        case _:
            return None


def draw(path: str) -> str | None:
    """The SVG behind `path` (below `/img/`), None if there is none.

    Addresses are `<item>/<view>.svg` for goods and `<what>/<name>.svg` for shops and buyers.
    """
    stem, dot, _ = path.partition(".svg")
    group, _, name = stem.partition("/")
    if not dot or not name or len(name) > 60:
        return None
    if group.isdecimal() and group.isascii() and len(group) == 12:
        return _item(int(group), name)
    if group == "face":
        return pictures.face(name)
    if stem == "banner/market":
        mixed = [_goods_of(catalogue.shops()[slug])[0] for slug in ("jinghe", "chenglixiang")]
        return pictures.banner("market", "脐橙开园季", "产地直发 · 满99减5", mixed, (1240, 600))
    shop = catalogue.shops().get(name)
    return _of_shop(shop, group) if shop else None
