"""What is planted where, told: violations, lures and shops that belong together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from infra.demo_market import catalogue
from infra.demo_market.model import Listing

FILE = Path(__file__).parent / "ground_truth.json"
IMAGE_PLACES = {"panel", "card", "ribbon"}
PRICE_REASONS = {
    "fictitious": ("划线价在成交记录中从未出现", "former price never charged in the past sales shown"),
    "countdown": ("“仅限今天”倒计时每次打开重新计时", "countdown restarts at every visit"),
    "bait": ("列表页价格低于详情页价格", "list page shows a lower price than the item page"),
}
STRUCTURE_REASONS = {
    "wrong_site": ("页脚亮照标识属于 yuanxing.localhost", "badge was issued for another site"),
    "expired": ("页脚亮照标识已过期", "badge has expired"),
    "image_only": ("页脚标识仅为图片，无法点击核验", "badge is a bare image without a link"),
    "missing": ("页面未公示", "not shown on the page"),
}


def _entry(shop_slug: str, item: Listing | None, place: str, code: str, words: list[str]) -> dict[str, Any]:
    shop = catalogue.shops()[shop_slug]
    group, basis = catalogue.load("plants.json")["groups"][code]
    reason = (PRICE_REASONS if item else STRUCTURE_REASONS).get(words[0])
    medium = "image" if place in IMAGE_PLACES else ("price" if place == "price" else "text")
    return {
        "kind": "violation",
        "code": code,
        "group": group,
        "basis": basis,
        "shop": shop_slug,
        "host": shop.host,
        "path": item.path if item else ("/" if shop.is_site else f"/shop/{shop_slug}"),
        "listing": item.number if item else None,
        "place": place,
        "medium": "structure" if reason and item is None else medium,
        "texts": [] if reason else words,
        "reason": list(reason) if reason else [],
    }


def _lures() -> list[dict[str, Any]]:
    """Harmless phrases that look like hits: a detector must leave them alone."""
    rows = []
    for phrase, code in catalogue.load("plants.json")["lures"]:
        for item in catalogue.listings():
            written = [item.title, item.shop.notice, *item.points, *(f"{a}{b}" for a, b in item.attributes)]
            if any(phrase in text for text in written):
                rows.append(
                    {
                        "kind": "lure",
                        "code": code,
                        "shop": item.shop.slug,
                        "host": item.shop.host,
                        "path": item.path,
                        "listing": item.number,
                        "texts": [phrase],
                    }
                )
    return rows


def _links() -> list[dict[str, Any]]:
    """Shops that belong together: every contact that at least two of them share."""
    rows = []
    for feature in ("phone", "qq", "wechat", "return_address"):
        holders: dict[str, list[str]] = {}
        for shop in catalogue.shops().values():
            value = str(getattr(shop, feature))
            if value:
                holders.setdefault(value, []).append(shop.slug)
        rows += [
            {"kind": "link", "feature": feature, "value": value, "shops": slugs}
            for value, slugs in holders.items()
            if len(slugs) > 1
        ]
    return rows


def ground_truth() -> dict[str, Any]:
    """Everything planted: `entries` are violations, lures (must not be reported) and links between shops."""
    planted = catalogue.load("plants.json")
    shelf = {(item.shop.slug, item.order): item for item in catalogue.listings()}
    rows = [
        _entry(slug, shelf[slug, order], place, code, words)
        for slug, order, place, code, *words in planted["plants"]
    ]
    rows += [_entry(slug, None, place, code, words) for slug, place, code, *words in planted["shop_plants"]]
    rows += _links() + _lures()
    for number, row in enumerate(rows, start=1):
        row["id"] = f"GT-{number:03d}"
    return {
        "note": "演示数据，纯属虚构 / demonstration data, fictional",
        "operators": [["yunwucha", "kangshou", "alian"], ["pinlemei", "meiyan"]],
        "entries": rows,
    }


def write() -> Path:
    """Write `ground_truth.json` beside the package; gives its path."""
    FILE.write_text(json.dumps(ground_truth(), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return FILE
