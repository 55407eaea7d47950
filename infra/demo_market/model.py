"""What the demo market is made of. Money is in fen (1/100 yuan); `days` count back from the visit."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Label:
    """An e-label as its issuer knows it. `site` is the declared host (and path)."""

    number: str
    site: str
    status: str
    owner: str


@dataclass(frozen=True)
class Shop:
    """One shop and the business behind it. `*_shown` is how a disguised contact is written on the page."""

    slug: str
    name: str
    brand: str
    style: str
    colour: str
    kinds: tuple[str, ...]
    slogan: str
    company: str
    uscc: str
    division: str
    person: str
    address: str
    region: str
    authority: str
    opened: int
    scope: str
    phone: str
    phone_shown: str
    tel: str
    qq: str
    qq_shown: str
    wechat: str
    wechat_shown: str
    return_address: str
    food_permit: str
    icp: str
    police: str
    notice: str
    label: Label | None
    label_shown: str
    scores: tuple[str, str, str]
    fans: int

    @property
    def is_site(self) -> bool:
        """True for a self-built site with its own host name."""
        return self.style in {"classic", "wechat", "brand"}

    @property
    def host(self) -> str:
        """The host name it lives under."""
        return f"{self.slug}.localhost" if self.is_site else "market.localhost"


@dataclass(frozen=True)
class Review:
    """What a buyer wrote."""

    name: str
    text: str
    days: int
    stars: int
    sku: str
    reply: str
    picture: bool


@dataclass(frozen=True)
class Deal:
    """A past sale as the page shows it: the honest base of a former price."""

    days: int
    price: int
    count: int


@dataclass
class Listing:
    """One item page."""

    number: int
    order: int
    shop: Shop
    kind: str
    category: str
    title: str
    subtitle: str
    price: int
    former: int | None
    list_price: int
    sales: int
    stock: int
    skus: list[tuple[str, int]]
    colours: list[str]
    attributes: list[tuple[str, str]]
    points: list[str]
    details: list[str]
    ribbon: str
    corner: str
    panels: list[tuple[str, list[str]]]
    card: list[str]
    reviews: list[Review]
    deals: list[Deal]
    asks: list[tuple[str, str]]
    draw: str
    colour: str
    label: str
    countdown: bool = False
    plants: list[str] = field(default_factory=list)

    @property
    def path(self) -> str:
        """The page's path under the shop's host; each style has the address pattern of its kind."""
        patterns = {
            "classic": f"/product/{1001 + self.order}.html",
            "wechat": f"/goods/{self.number}",
            "brand": f"/products/{self.kind.replace('_', '-')}-{self.order + 1}",
        }
        return patterns.get(self.shop.style, f"/item/{self.number}")

    @property
    def pictures(self) -> list[str]:
        """Addresses of the gallery pictures, main picture first."""
        return [f"/img/{self.number}/{view}.svg" for view in range(5)]

    @property
    def panel_pictures(self) -> list[str]:
        """Addresses of the long description's pictures."""
        own = [f"/img/{self.number}/d{number}.svg" for number in range(len(self.panels))]
        return own + ([f"/img/{self.number}/card.svg"] if self.card else [])
