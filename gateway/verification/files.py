"""The public verification page 核验: its built files under /verify/, each with a policy of its own.

The page reads files that must not leave the browser, so its policy says where it may connect: to the trust
file. The worker that reads the evidence may connect to nothing; it alone may compile WebAssembly (the digests
SM3 and SHA-256). The service worker may fetch the page's own files and the trust file.
Sources: CSP level 3 (connect-src, worker-src; a worker has the policy of its own response), Service Workers.
"""

import re
from pathlib import Path
from typing import Any, Final

from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from gateway.routing.checks import Ask
from services.common.problems import Problem

PREFIX: Final = "/verify"
_TRUST: Final = "/api/trust"
_HASHED: Final = re.compile(r"/assets/[^/]*-[A-Za-z0-9_-]{8,}\.[a-z0-9]+")
_WORKER: Final = re.compile(r"/assets/worker-[A-Za-z0-9_-]{8,}\.js")
_OFFLINE: Final = "/offline.js"
_NOWHERE: Final = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; report-uri /api/csp-reports"

_NOT_BUILT: Final = """<!doctype html><html lang="zh-CN"><head><meta charset="utf-8"><title>网鉴 核验
</title></head> <body><h1>核验页尚未构建</h1><p>在项目目录运行 <code>make console</code>，然后刷新本页。</p>
<h1>The verification page has not been built yet</h1><p>Run <code>make console</code> in the project's folder,
then reload this page.</p></body></html>
"""


def policy_for(path: str, origin: str) -> str:
    """The content security policy of a file of the page. path: below /verify; origin: scheme://host[:port]."""
    if _WORKER.fullmatch(path):
        return f"default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'none'; {_NOWHERE}"
    if path == _OFFLINE:
        allowed = f"{origin}{PREFIX}/ {origin}{_TRUST}"
        return f"default-src 'none'; script-src 'self'; connect-src {allowed}; {_NOWHERE}"
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; worker-src 'self'; "
        f"connect-src {origin}{_TRUST}; {_NOWHERE}"
    )


class VerificationPage:
    """Answers GET and HEAD below /verify."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    @staticmethod
    def owns(path: str) -> bool:
        """Whether a path is the page's."""
        return path == PREFIX or path.startswith(PREFIX + "/")

    async def answer(self, ask: Ask, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request. Raises Problem 404 for a missing file, 405 for another method."""
        if ask.method not in {"GET", "HEAD"}:
            raise Problem(
                "request.method", 405, zh="不支持的请求方法", en="this method is not supported",
                headers={"Allow": "GET, HEAD"},
            )  # fmt: skip
        origin = f"{'https' if ask.https else 'http'}://{ask.header(b'host') or ask.host}"
        await self._response(ask, origin)(scope, receive, send)

    def _response(self, ask: Ask, origin: str) -> Response:
        if ask.path == PREFIX:
            query = f"?{ask.query.decode('latin-1')}" if ask.query else ""
            return RedirectResponse(f"{PREFIX}/{query}", status_code=308)
        path = ask.path.removeprefix(PREFIX)
        headers = {"Content-Security-Policy": policy_for(path, origin), "Cache-Control": "no-cache"}
        if path == "/" and not (self._folder / "index.html").is_file():
            return HTMLResponse(_NOT_BUILT, status_code=503, headers={"Cache-Control": "no-store"})
        file = (self._folder / ("index.html" if path == "/" else path.lstrip("/"))).resolve()
        if not file.is_relative_to(self._folder) or not file.is_file():
            raise Problem("request.not_found", 404, zh="没有这个文件", en="there is no such file")
        if _HASHED.fullmatch(path):
            headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return FileResponse(file, headers=headers)
