"""`python -m infra.tsa`: serve the development time-stamping authorities (RFC 3161 §3.4 over HTTP).

One authority for each URL in WANGJIAN_TSA_URL (at most two), all in this process, each with a folder, a key
and an operator of its own. Tests make one fail through `faults.json` in its folder: `{"mode": "away"}`
answers 503, `{"mode": "slow", "seconds": 3}` waits before it answers.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

from aiohttp import web

from infra.listening import serve_apps
from infra.tsa.authority import FIRST, SECOND, Authority, load_or_create, publish
from services.common.settings import Settings, get_settings

AUTHORITY = web.AppKey("authority", Authority)
FAULTS = web.AppKey("faults", Path)
_FOLDERS = {"tsa": FIRST, "tsa/b": SECOND}


async def _stamp(request: web.Request) -> web.Response:
    if request.content_type != "application/timestamp-query":
        return web.Response(status=415, text="application/timestamp-query expected\n")
    fault = _fault(request.app.get(FAULTS))
    if fault.get("mode") == "away":
        return web.Response(status=503, text="away on request of faults.json\n")
    if fault.get("mode") == "slow":
        await asyncio.sleep(float(fault.get("seconds", 3600)))
    reply = request.app[AUTHORITY].reply(await request.read())
    return web.Response(body=reply, content_type="application/timestamp-reply")


def _fault(file: Path | None) -> dict[str, Any]:
    if file is None or not file.exists():
        return {}
    fault: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return fault


async def _live(_: web.Request) -> web.Response:
    return web.json_response({"status": "live"})


def create_app(authority: Authority, faults: Path | None = None) -> web.Application:
    """The HTTP application: POST / takes a TimeStampReq. faults: the file that makes it fail, for tests."""
    app = web.Application(client_max_size=64 * 1024)
    app[AUTHORITY] = authority
    if faults:
        app[FAULTS] = faults
    app.add_routes([web.post("/", _stamp), web.get("/health/live", _live), web.get("/health/ready", _live)])
    return app


def create_apps(settings: Settings) -> list[tuple[web.Application, str]]:
    """(application, URL) of each authority, with keys made at first start and the file that clients pin."""
    urls = [url.strip() for url in settings.service_url("tsa").split(",")]
    if len(urls) > len(_FOLDERS):
        raise SystemExit(f"WANGJIAN_TSA_URL: at most {len(_FOLDERS)} development authorities")
    made = [
        (load_or_create(settings.home / name, identity), url, settings.home / name / "faults.json")
        for (name, identity), url in zip(_FOLDERS.items(), urls, strict=False)
    ]
    publish(settings.home / "tsa" / "authority.json", [(authority, url) for authority, url, _ in made])
    return [(create_app(authority, faults), url) for authority, url, faults in made]


if __name__ == "__main__":
    serve_apps(create_apps(get_settings()))
