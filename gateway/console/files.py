"""The console's built files: hashed assets for a year, the page itself always fresh, every screen's path is
the page.
"""

import re
from pathlib import Path
from typing import Any, Final

from starlette.responses import FileResponse, HTMLResponse, Response

from gateway.routing.checks import Ask
from services.common.problems import Problem

_HASHED: Final = re.compile(r"/assets/[^/]*-[A-Za-z0-9_-]{8,}\.[a-z0-9]+(\.map)?")
_IMMUTABLE: Final = "public, max-age=31536000, immutable"

_NOT_BUILT: Final = """<!doctype html><html lang="zh-CN"><head><meta charset="utf-8"><title>网鉴
Wangjian</title></head> <body><h1>网鉴控制台尚未构建</h1> <p>在项目目录运行 <code>make console</code>，或用
<code>make up</code> 启动，然后刷新本页。接口已可用。</p> <h1>The console has not been built yet</h1> <p>Run
<code>make console</code> in the project's folder, or start with <code>make up</code>, then reload this page.
The API is already there.</p></body></html>
"""


class Console:
    """Answers GET and HEAD for everything that is not an API."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    @staticmethod
    def is_asset(path: str) -> bool:
        """Whether a path names a file (its last part has a suffix), not a screen."""
        return "." in path.rsplit("/", 1)[-1]

    async def answer(self, ask: Ask, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request. Raises Problem 404 for a missing file, 405 for another method."""
        if ask.method not in {"GET", "HEAD"}:
            raise Problem(
                "request.method", 405, zh="不支持的请求方法", en="this method is not supported",
                headers={"Allow": "GET, HEAD"},
            )  # fmt: skip
        await self._response(ask.path)(scope, receive, send)

    def _response(self, path: str) -> Response:
        page = self._folder / "index.html"
        if self.is_asset(path):
            file = (self._folder / path.lstrip("/")).resolve()
            if not file.is_relative_to(self._folder) or not file.is_file():
                raise Problem("request.not_found", 404, zh="没有这个文件", en="there is no such file")
            caching = _IMMUTABLE if _HASHED.fullmatch(path) else "no-cache"
            return FileResponse(file, headers={"Cache-Control": caching})
        if not page.is_file():
            return HTMLResponse(_NOT_BUILT, status_code=503, headers={"Cache-Control": "no-store"})
        return FileResponse(page, headers={"Cache-Control": "no-cache"})
