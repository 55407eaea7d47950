"""Puts what is wrong on purpose into the listings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from infra.demo_market.model import Deal, Listing, Review


def plant_all(made: tuple[Listing, ...], plants: Iterable[Sequence[Any]]) -> None:
    """Put every planted text, picture and price `(shop, order, place, code, *words)` into its listing."""
    shelf = {(item.shop.slug, item.order): item for item in made}
    for slug, order, place, code, *words in plants:
        item = shelf[slug, order]
        item.plants.append(code)
        _plant(item, place, words)


def _plant(item: Listing, place: str, words: list[str]) -> None:
    text = words[0]
    match place:
        case "title":
            brand, rest = item.title.split(" ", 1)
            item.title = f"{brand} {text} {rest}"
        case "subtitle":
            item.subtitle = text
        case "detail":
            item.details.insert(1, text + "。")
        case "ribbon":
            item.ribbon = text
        case "panel":
            item.panels[1][1].insert(0, text)
        case "card":
            item.card = words
        case "review":
            item.reviews.insert(0, Review("果**妈", text, 2, 5, item.skus[0][0], "", False))
        case "price":
            _price(item, text)
        case _:
            raise ValueError(f"plants.json: unknown place {place!r}")


def _price(item: Listing, trick: str) -> None:
    if trick == "bait":
        item.list_price = item.price * 6 // 1000 * 100
        return
    item.former = item.price * 6 // 100 * 100 + 9900
    item.deals = [Deal(deal.days, item.price, deal.count) for deal in item.deals]
    item.countdown = trick == "countdown"
