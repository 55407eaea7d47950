"""Pages that misbehave on purpose, off the shops' navigation: one address per kind of trouble."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

LONGEST_WAIT = 600.0
CHUNK = (b"<!-- " + "演示数据，纯属虚构".encode() + b" -->\n").ljust(64 * 1024, b" ")

TRIALS = (
    ("/trials/status/404", "页面不存在", "404"),
    ("/trials/status/500", "服务器出错", "500"),
    ("/trials/slow?seconds=5", "慢页面（秒数可改，至多600）", "slow"),
    ("/trials/redirect?n=5", "连续跳转五次", "redirect chain"),
    ("/trials/loop", "跳转循环", "redirect loop"),
    ("/trials/download", "返回附件而非页面", "download"),
    ("/trials/endless", "没有尽头的页面", "endless page"),
    ("/trials/tall?px=60000", "六万像素高的页面", "very tall page"),
    ("/trials/huge?mib=1024", "一吉字节的正文（流式）", "huge body"),
    ("/trials/dialogs", "连续弹窗", "dialogs"),
    ("/trials/busy", "脚本死循环", "JS busy loop"),
    ("/trials/private", "引用内网地址的页面", "refers to private addresses"),
    ("/trials/private-redirect", "跳转到内网地址", "redirect to a private address"),
    ("/trials/truncated", "中途断开的正文", "truncated body"),
    ("/trials/late", "三秒后才出现的内容", "late content"),
    ("/trials/popup", "弹出新窗口", "popup"),
    ("/trials/leave", "离开时阻拦", "beforeunload"),
)


def _html(title: str, body: str, script: str = "", status: int = 200) -> HTMLResponse:
    return HTMLResponse(
        f'<!doctype html><html lang="zh-CN"><head><meta charset="utf-8"><title>{escape(title)}</title></head>'
        '<body style="font:15px/1.9 PingFang SC,Microsoft YaHei,Noto Sans CJK SC,sans-serif;'
        "max-width:860px;margin:40px auto;"
        f'color:#333"><h1 style="font-size:22px">{escape(title)}</h1>{body}'
        '<footer style="margin-top:40px;color:#aaa;font-size:12px">'
        "演示数据，纯属虚构 · Demonstration data, fictional</footer>"
        f"{'<script>' + script + '</script>' if script else ''}</body></html>",
        status_code=status,
    )


def _number(request: Request, name: str, default: int, highest: int) -> int:
    """A whole number from the query, clipped to 0…`highest`; the default when it is missing or no number."""
    asked = request.query_params.get(name, "")
    return min(int(asked), highest) if asked.isdecimal() and len(asked) < 10 else default


async def index(_: Request) -> Response:
    """The list of trials."""
    rows = "".join(f'<li><a href="{path}">{zh}</a> <small>{en}</small></li>' for path, zh, en in TRIALS)
    return _html("采集试验页", f"<p>供检验采集程序使用：每个地址对应一种网页故障。</p><ol>{rows}</ol>")


async def status(request: Request) -> Response:
    """Answers with the status in the path (400–599)."""
    code = request.path_params["code"]
    code = code if 400 <= code <= 599 else 404
    return _html(f"出错了 {code}", "<p>您访问的页面暂时无法打开，请稍后再试。</p>", status=code)


async def slow(request: Request) -> Response:
    """Answers after `seconds`."""
    seconds = min(float(_number(request, "seconds", 5, 600)), LONGEST_WAIT)
    await asyncio.sleep(seconds)
    return _html("终于打开了", f"<p>这个页面等了 {seconds:g} 秒才返回。</p>")


async def redirect(request: Request) -> Response:
    """A chain of `n` redirects."""
    left = _number(request, "n", 5, 100)
    if left <= 0:
        return _html("跳转结束", "<p>已经到达最后一页。</p>")
    return RedirectResponse(f"/trials/redirect?n={left - 1}", status_code=(301, 302, 303, 307)[left % 4])


async def loop(_: Request) -> Response:
    """Redirects to itself."""
    return RedirectResponse("/trials/loop", status_code=302)


async def download(_: Request) -> Response:
    """A file instead of a page."""
    body = "商品,价格\n演示数据,0.01\n".encode()
    headers = {
        "Content-Disposition": "attachment; filename=price.csv; filename*=UTF-8''%E4%BB%B7%E6%A0%BC.csv"
    }
    return Response(body, media_type="application/octet-stream", headers=headers)


async def endless(_: Request) -> Response:
    """Grows by itself whenever its end comes near, for ever."""
    script = (
        "let n=0;const grow=()=>{for(let i=0;i<20;i++){const d=document.createElement('div');d.style.cssText="
        "'height:120px;margin:10px 0;border-radius:8px;background:hsl('+(n*23%360)+' 60% 88%);padding:20px';"
        "d.textContent='第 '+(++n)+' 件商品 · 赣南脐橙 ¥'+(19.9+n%40).toFixed(1);list.append(d)}};grow();"
        "addEventListener('scroll',()=>{if(innerHeight+scrollY>document.body.scrollHeight-1500)grow()})"
    )
    return _html("没有尽头的货架", '<div id="list"></div>', script)


async def tall(request: Request) -> Response:
    """A page `px` high (60 000 unless told, at most 200 000)."""
    height = _number(request, "px", 60_000, 200_000)
    rows = "".join(
        f'<div style="height:300px;background:hsl({row * 17 % 360} 55% 90%);padding:16px">'
        f"第 {row + 1} 行 · 距顶 {row * 300} 像素</div>"
        for row in range(height // 300)
    )
    return _html(f"{height} 像素高的页面", f'<div style="height:{height}px">{rows}</div>')


async def _pour(mib: int) -> AsyncIterator[bytes]:
    yield b'<!doctype html><meta charset="utf-8"><title>huge</title><p>\n'
    for _ in range(mib * 16):
        yield CHUNK


async def huge(request: Request) -> Response:
    """Streams `mib` MiB (1 024 at most) without ever holding them."""
    return StreamingResponse(
        _pour(_number(request, "mib", 1024, 1024)), media_type="text/html; charset=utf-8"
    )


async def dialogs(_: Request) -> Response:
    """Alert, confirm and prompt, one after another."""
    script = (
        "alert('恭喜您获得优惠券！');confirm('是否立即领取？');prompt('请输入手机号');"
        "document.getElementById('s').textContent='弹窗已全部关闭'"
    )
    return _html("弹窗页面", '<p id="s">弹窗处理中…</p>', script)


async def busy(_: Request) -> Response:
    """Shows its text, then never lets go of the main thread."""
    return _html(
        "脚本死循环", "<p>页面文字已经显示，随后脚本一直占用。</p>", "setTimeout(()=>{for(;;);},300)"
    )


async def private(request: Request) -> Response:
    """Refers to addresses that a capture must never reach: metadata service, loopback, private ranges."""
    port = request.url.port or 80
    other = 22 if port != 22 else 23
    targets = (
        "http://169.254.169.254/latest/meta-data/",
        f"http://127.0.0.1:{other}/",
        f"http://[::1]:{other}/",
        "http://10.0.0.1/",
        "http://192.168.1.1/login",
        "http://172.16.0.1/",
        "http://0.0.0.0:6379/",
        "http://100.64.0.1/",
        "http://[fd00::1]/",
        "http://[::ffff:169.254.169.254]/",
        "http://2130706433/",
        f"http://localhost:{other}/",
    )
    pictures = "".join(f'<img src="{target}a.png" alt="{target}" width="40">' for target in targets)
    script = "".join(f"fetch('{target}',{{mode:'no-cors'}}).catch(()=>0);" for target in targets)
    script += "try{new WebSocket('ws://169.254.169.254/')}catch(e){}"
    frame = (
        '<iframe src="http://169.254.169.254/latest/meta-data/" title="meta"></iframe>'
        '<iframe src="file:///etc/passwd" title="file"></iframe>'
    )
    return _html("引用内网地址", f"<p>正文照常显示。</p>{pictures}{frame}", script)


async def private_redirect(_: Request) -> Response:
    """Redirects to the metadata address of clouds."""
    return RedirectResponse("http://169.254.169.254/latest/meta-data/", status_code=302)


async def truncated(_: Request) -> Response:
    """Promises more bytes than it sends, then breaks off."""

    async def part() -> AsyncIterator[bytes]:
        yield "<!doctype html><meta charset='utf-8'><title>断开</title><h1>只到这里".encode()
        raise ConnectionAbortedError("the trial breaks off on purpose")

    return StreamingResponse(part(), media_type="text/html", headers={"Content-Length": "100000"})


async def late(_: Request) -> Response:
    """Its main text appears three seconds after load."""
    script = "setTimeout(()=>{document.getElementById('s').textContent='到货：赣南脐橙 5斤 ¥29.9'},3000)"
    return _html("迟到的内容", '<p id="s">加载中…</p>', script)


async def popup(_: Request) -> Response:
    """Opens another window."""
    return _html(
        "弹出窗口",
        "<p>页面会尝试打开新窗口。</p>",
        "window.open('/trials/late');window.open('/trials/dialogs')",
    )


async def leave(_: Request) -> Response:
    """Objects to being left."""
    return _html(
        "离开时阻拦",
        "<p>离开本页会弹出提示。</p>",
        "addEventListener('beforeunload',e=>{e.preventDefault();e.returnValue='x'})",
    )


def trial_routes() -> list[BaseRoute]:
    """Routes of all trials; they answer under every host name."""
    endpoints = {
        "": index,
        "/": index,
        "/status/{code:int}": status,
        "/slow": slow,
        "/redirect": redirect,
        "/loop": loop,
        "/download": download,
        "/endless": endless,
        "/tall": tall,
        "/huge": huge,
        "/dialogs": dialogs,
        "/busy": busy,
        "/private": private,
        "/private-redirect": private_redirect,
        "/truncated": truncated,
        "/late": late,
        "/popup": popup,
        "/leave": leave,
    }
    return [Route("/trials" + path, endpoint) for path, endpoint in endpoints.items()]
