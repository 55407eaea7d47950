"""`python -m infra.tsa`: serve the development time-stamping authority (RFC 3161 §3.4 over HTTP)."""

from aiohttp import web

from infra.listening import serve_app
from infra.tsa.authority import Authority, load_or_create
from services.common.settings import get_settings

AUTHORITY = web.AppKey("authority", Authority)


async def _stamp(request: web.Request) -> web.Response:
    if request.content_type != "application/timestamp-query":
        return web.Response(status=415, text="application/timestamp-query expected\n")
    reply = request.app[AUTHORITY].reply(await request.read())
    return web.Response(body=reply, content_type="application/timestamp-reply")


async def _live(_: web.Request) -> web.Response:
    return web.json_response({"status": "live"})


def create_app(authority: Authority) -> web.Application:
    """The HTTP application: POST / takes a TimeStampReq."""
    app = web.Application(client_max_size=64 * 1024)
    app[AUTHORITY] = authority
    app.add_routes([web.post("/", _stamp), web.get("/health/live", _live), web.get("/health/ready", _live)])
    return app


if __name__ == "__main__":
    settings = get_settings()
    serve_app(create_app(load_or_create(settings.home / "tsa")), settings.service_url("tsa"))
