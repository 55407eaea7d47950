"""网店规则 channels, and what a platform name or an address says of them (电商法 §9)."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit


class Channel(StrEnum):
    """Where a subject shows itself."""

    PLATFORM = "platform"
    SHOP_B = "shop_b"
    SHOP_C = "shop_c"
    SHOP = "shop"
    SITE_TRADE = "site_trade"
    SITE_INFO = "site_info"
    APP = "app"
    MINI_PROGRAM = "mini_program"
    OFFICIAL_ACCOUNT = "official_account"
    LIVE_ROOM = "live_room"
    LOCAL_SERVICE = "local_service"
    OTHER = "other"


RUN_BY_ITSELF: Final = frozenset({Channel.PLATFORM, Channel.SITE_TRADE, Channel.SITE_INFO, Channel.APP})
"""What its operator runs itself: no platform stands behind it that would report it (总局令37号 §25)."""


class Ownership(StrEnum):
    """Whose shop it is: B a registered business's, C a person's on a platform for persons."""

    B = "B"
    C = "C"


class Exemption(StrEnum):
    """Ground on which no registration is needed (电子商务法 §10)."""

    FARM_PRODUCE = "farm_produce"
    HANDICRAFT = "handicraft"
    SERVICE = "service"
    SMALL = "small"


EXEMPTION_LABELS: Final[dict[Exemption, tuple[str, str]]] = {
    Exemption.FARM_PRODUCE: ("个人销售自产农副产品", "own farm produce"),
    Exemption.HANDICRAFT: ("个人销售家庭手工业产品", "own handicraft"),
    Exemption.SERVICE: ("个人从事无须许可的便民劳务", "services to neighbours"),
    Exemption.SMALL: ("零星小额交易", "few and small sales"),
}

STATUS_LABELS: Final[dict[str, tuple[str, str]]] = {
    "active": ("在营", "Active"),
    "dead": ("已失效", "Dead"),
    "weeded": ("已剔除", "Weeded out"),
    "merged": ("已合并", "Merged"),
}

CHANNEL_LABELS: Final[dict[Channel, tuple[str, str]]] = {
    Channel.PLATFORM: ("平台", "Platform"),
    Channel.SHOP_B: ("网店（B店）", "Shop of a business"),
    Channel.SHOP_C: ("网店（C店）", "Shop of a person"),
    Channel.SHOP: ("网店", "Shop"),
    Channel.SITE_TRADE: ("网站（交易）", "Trading site"),
    Channel.SITE_INFO: ("网站（宣传）", "Information site"),
    Channel.APP: ("APP", "App"),
    Channel.MINI_PROGRAM: ("小程序", "Mini-program"),
    Channel.OFFICIAL_ACCOUNT: ("公众号", "Official account"),
    Channel.LIVE_ROOM: ("直播间", "Live room"),
    Channel.LOCAL_SERVICE: ("本地生活", "Local service"),
    Channel.OTHER: ("其他", "Other"),
}

_PLATFORM_WORDS: Final[tuple[tuple[str, Channel], ...]] = (
    ("直播", Channel.LIVE_ROOM),
    ("小程序", Channel.MINI_PROGRAM),
    ("公众号", Channel.OFFICIAL_ACCOUNT),
    ("天猫", Channel.SHOP_B),
    ("美团", Channel.LOCAL_SERVICE),
    ("饿了么", Channel.LOCAL_SERVICE),
    ("大众点评", Channel.LOCAL_SERVICE),
    ("自建", Channel.SITE_TRADE),
    ("官网", Channel.SITE_TRADE),
    ("网站", Channel.SITE_TRADE),
    ("app", Channel.APP),
)
_HOST = re.compile(r"^[a-z0-9-]+(\.[a-z0-9-]+)+$")


def channel_of_platform(platform: str) -> Channel:
    """Channel a free-text platform column suggests; a named marketplace means a shop, nothing means other."""
    text = platform.strip().lower()
    if not text:
        return Channel.OTHER
    if domain_of(text):
        return Channel.SITE_TRADE
    return next((channel for word, channel in _PLATFORM_WORDS if word in text), Channel.SHOP)


def domain_of(text: str | None) -> str | None:
    """Host name of an address or of a bare domain, lower case without port; None when there is none."""
    value = (text or "").strip()
    if "://" not in value:
        value = f"//{value}"
    try:
        host = urlsplit(value).hostname or ""
    except ValueError:
        return None
    return host if _HOST.match(host) else None
