"""The web side: which page answers under which host name. Everything is served from memory and templates."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Host, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates

from infra.demo_market import catalogue
from infra.demo_market.drawing import gallery
from infra.demo_market.identifiers import credit_code
from infra.demo_market.model import Listing, Shop
from infra.demo_market.trials import trial_routes

HERE = Path(__file__).parent
PAGE = 20
FEED_PAGES = 9
PAGES = catalogue.load("pages.json")
STORIES: dict[str, list[str]] = PAGES["stories"]

templates = Jinja2Templates(directory=HERE / "templates")


def yuan(fen: int) -> str:
    """Fen as yuan, without needless zeros."""
    return f"{fen / 100:.2f}".rstrip("0").rstrip(".")


def sold(count: int) -> str:
    """A count as shops write it: 860, 2000+, 3.5万+."""
    if count >= 10_000:
        return f"{count // 1000 / 10:g}万+"
    return f"{count // 100 * 100}+" if count >= 1000 else str(count)


def kinds_of(shop: Shop) -> list[tuple[str, str]]:
    """Keys and names of what a shop sells."""
    return [(key, str(catalogue.goods()[key]["noun"])) for key in shop.kinds]


templates.env.filters.update(yuan=yuan, sold=sold)
templates.env.globals.update(
    shop_kinds=kinds_of,
    sites=[shop for shop in catalogue.shops().values() if shop.is_site],
    platform_uscc=credit_code("91", "360113", 0),
)


def _authority(request: Request, name: str) -> str:
    port = request.url.port
    return f"{request.url.scheme}://{name}.localhost" + (f":{port}" if port else "")


def _by_address(request: Request) -> bool:
    """True when the visitor came by IP address, so that host names may not resolve for him."""
    return not (request.url.hostname or "").endswith("localhost")


def site_address(request: Request, shop: Shop) -> str:
    """Where a self-built site is found: its own host, or `/site/<slug>` for visitors by IP address."""
    return f"/site/{shop.slug}" if _by_address(request) else _authority(request, shop.slug)


def _market_address(request: Request) -> str:
    return "" if _by_address(request) else _authority(request, "market")


def _page(request: Request, template: str, **values: Any) -> Response:
    def link(item: Listing) -> str:
        return (site_address(request, item.shop) if item.shop.is_site else "") + item.path

    values.setdefault("q", "")
    return templates.TemplateResponse(
        request, template, {"link": link, "site_url": lambda shop: site_address(request, shop), **values}
    )


def _paged(items: list[Listing], request: Request, size: int = PAGE) -> tuple[list[Listing], int, int]:
    """The slice for `?page=`, the page number and the number of pages."""
    pages = max(1, -(-len(items) // size))
    asked = request.query_params.get("page", "1")
    page = min(max(1, int(asked) if asked.isdecimal() else 1), pages)
    return items[(page - 1) * size : page * size], page, pages


def _shop_or_404(slug: str, site: bool) -> Shop:
    shop = catalogue.shops().get(slug)
    if shop is None or (site and not shop.is_site):
        raise HTTPException(404)
    return shop


def _others(item: Listing) -> list[Listing]:
    """Neighbours on the shelf, starting after this one."""
    shelf = catalogue.of_shop(item.shop.slug)
    return shelf[item.order + 1 :] + shelf[: item.order]


async def home(request: Request) -> Response:
    """The market's front page."""
    floors = []
    for slug, name, words in PAGES["floors"]:
        shop = catalogue.shops()[slug]
        shelf = catalogue.of_shop(slug)
        floors.append(
            {"name": name, "words": words, "colour": shop.colour, "shop": shop, "shelf": shelf[6:14]}
        )
    guess = catalogue.search()[3::9][:20]
    return _page(request, "home.html", floors=floors, guess=guess, cats=PAGES["categories"])


async def search(request: Request) -> Response:
    """Search by words `q` and category `cat`, sorted by `sort` (sales or price)."""
    asked = {key: request.query_params.get(key, "")[:80] for key in ("q", "cat", "sort")}
    found = catalogue.search(asked["q"], asked["cat"])
    if asked["sort"] == "sales":
        found = sorted(found, key=lambda item: -item.sales)
    elif asked["sort"] == "price":
        found = sorted(found, key=lambda item: item.list_price)
    items, page, pages = _paged(found, request)
    here = f"/search?q={asked['q']}&cat={asked['cat']}&"
    return _page(
        request, "search.html", items=items, page=page, pages=pages, total=len(found), here=here, **asked
    )


async def shop_page(request: Request) -> Response:
    """A shop in the market: its front page and paged list."""
    shop = _shop_or_404(request.path_params["slug"], site=False)
    if shop.is_site:
        return RedirectResponse(site_address(request, shop) + "/")
    kind = request.query_params.get("kind", "")
    shelf = [item for item in catalogue.of_shop(shop.slug) if kind in ("", item.kind)]
    items, page, pages = _paged(shelf, request, 12)
    here = f"/shop/{shop.slug}?kind={kind}&"
    return _page(
        request,
        "shop.html",
        shop=shop,
        items=items,
        page=page,
        pages=pages,
        kind=kind,
        here=here,
        kinds=kinds_of(shop),
    )


async def item_page(request: Request) -> Response:
    """An item page of the market, in its shop's template."""
    item = catalogue.by_number().get(request.path_params["number"])
    if item is None:
        raise HTTPException(404)
    if item.shop.is_site:
        return RedirectResponse(site_address(request, item.shop) + item.path)
    template = "item_group.html" if item.shop.style == "group" else "item.html"
    noun = catalogue.goods()[item.kind]["noun"]
    return _page(request, template, item=item, more=_others(item), noun=noun)


def _feed_items(page: int) -> list[Listing]:
    shelf = catalogue.search()
    return [shelf[(page * 20 + step * 7) % len(shelf)] for step in range(20)]


async def feed(request: Request) -> Response:
    """The page that grows while one scrolls (ends after nine parts)."""
    return _page(request, "feed.html", items=_feed_items(1), pages=FEED_PAGES)


async def feed_part(request: Request) -> Response:
    """One more part of the growing page, as HTML."""
    asked = request.query_params.get("page", "1")
    if not asked.isdecimal() or not 1 <= int(asked) <= FEED_PAGES:
        raise HTTPException(404)
    return _page(request, "feed_part.html", items=_feed_items(int(asked)))


async def license_page(request: Request) -> Response:
    """The page that publishes the licence behind a shop."""
    shop = _shop_or_404(request.path_params["slug"], site=False)
    return _page(request, "license.html", shop=shop)


async def label_page(request: Request) -> Response:
    """Verification of an e-label: compares the declared site with the site the visitor came from."""
    number = request.path_params["number"]
    label = catalogue.labels().get(number)
    visitor = request.headers.get("referer", "").partition("://")[2].partition("/")[0].partition(":")[0]
    verdict = "unknown"
    if label and label.status == "expired":
        verdict = "expired"
    elif label and visitor:
        verdict = "ok" if label.site.partition("/")[0] == visitor else "mismatch"
    shop = catalogue.shops()[label.owner] if label else None
    return _page(
        request, "elabel.html", number=number, label=label, shop=shop, visitor=visitor, verdict=verdict
    )


def _site_page(request: Request, view: str, **values: Any) -> Response:
    """A page of a self-built site; home, list and prose pages share what they need."""
    shop = _shop_or_404(request.path_params["slug"], site=True)
    kind = request.query_params.get("kind", "")
    base = request.scope.get("root_path", "").rstrip("/")
    shelf = [item for item in catalogue.of_shop(shop.slug) if kind in ("", item.kind)]
    items, page, pages = _paged(shelf, request, 12)
    words = STORIES["about"][1].format(**shop.__dict__)
    return _page(
        request,
        f"{shop.style}.html",
        **{
            "shop": shop,
            "view": view,
            "base": base,
            "market": _market_address(request),
            "items": items,
            "page": page,
            "pages": pages,
            "kind": kind,
            "here": f"{base}/list?kind={kind}&",
            "words": words,
            "item": None,
            "more": catalogue.of_shop(shop.slug)[4:],
            **values,
        },
    )


async def site_home(request: Request) -> Response:
    """Front page of a self-built site."""
    return _site_page(request, "home")


async def site_list(request: Request) -> Response:
    """Paged list of a self-built site."""
    return _site_page(request, "list")


async def site_text(request: Request) -> Response:
    """About, contact and news pages."""
    shop = _shop_or_404(request.path_params["slug"], site=True)
    heading, words = STORIES[request.url.path.rstrip("/").rpartition("/")[2]]
    return _site_page(request, "page", heading=heading, words=words.format(**shop.__dict__))


async def site_item(request: Request) -> Response:
    """Item page of a self-built site, by the address pattern of its kind."""
    shop = _shop_or_404(request.path_params["slug"], site=True)
    rest = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    for item in catalogue.of_shop(shop.slug):
        if item.path == rest:
            noun = catalogue.goods()[item.kind]["noun"]
            return _site_page(request, "item", item=item, more=_others(item), noun=noun)
    raise HTTPException(404)


@lru_cache(maxsize=512)
def _drawn(path: str) -> str | None:
    return gallery.draw(path)


async def picture(request: Request) -> Response:
    """A drawn picture; the same address always gives the same bytes."""
    svg = _drawn(request.path_params["path"])
    if svg is None:
        raise HTTPException(404)
    return Response(svg, media_type="image/svg+xml", headers={"Cache-Control": "max-age=3600"})


async def robots(_: Request) -> Response:
    """Robots file: everything may be looked at."""
    return PlainTextResponse("User-agent: *\nAllow: /\n")


async def not_found(request: Request, _: Exception) -> Response:
    """The market's page for a missing address."""
    return HTMLResponse(
        '<!doctype html><html lang="zh-CN"><meta charset="utf-8"><title>页面不见了</title>'
        '<body style="font:16px/2 sans-serif;text-align:center;padding-top:16vh;color:#666">'
        "<h1 style='color:#ff5000'>404</h1>很抱歉，您查看的宝贝不存在，可能已下架或者被转移<br>"
        "<small>演示数据，纯属虚构</small></body></html>",
        status_code=404,
    )


def _shared() -> list[BaseRoute]:
    return [
        Mount("/static", StaticFiles(directory=HERE / "static")),
        Route("/img/{path:path}", picture),
        Route("/robots.txt", robots),
        *trial_routes(),
    ]


def _site_routes() -> list[BaseRoute]:
    paths: dict[str, Callable[..., Any]] = {
        "/": site_home,
        "/list": site_list,
        "/about": site_text,
        "/contact": site_text,
        "/news": site_text,
        "/product/{name}": site_item,
        "/goods/{name}": site_item,
        "/products/{name}": site_item,
        "/license/{slug}": license_page,
    }
    return [Route(path, endpoint) for path, endpoint in paths.items()]


def create_app() -> Starlette:
    """The whole demo market: shops by host name, the marketplace under every other name and address."""
    market: list[BaseRoute] = [
        Route("/", home),
        Route("/search", search),
        Route("/shop/{slug}", shop_page),
        Route("/feed", feed),
        Route("/item/{number:int}", item_page),
        Route("/api/feed", feed_part),
        Route("/license/{slug}", license_page),
        Route("/elabel/{number}", label_page),
        Mount("/site/{slug}", routes=_site_routes()),
        *_shared(),
    ]
    hosts: list[BaseRoute] = [
        Host(f"{shop.slug}.localhost", _bound(shop.slug))
        for shop in catalogue.shops().values()
        if shop.is_site
    ]
    return Starlette(routes=[*hosts, *market], exception_handlers={404: not_found})


def _bound(slug: str) -> Starlette:
    """A site's own application, with its name where the routes under `/site/{slug}` find theirs."""
    inner = Starlette(routes=[*_shared(), *_site_routes()], exception_handlers={404: not_found})
    router = inner.router

    class Named:
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            scope["path_params"] = {**scope.get("path_params", {}), "slug": slug}
            await router(scope, receive, send)

    inner.router = router
    return Starlette(routes=[Mount("/", app=Named())], exception_handlers={404: not_found})
