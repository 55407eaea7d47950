"""A small real web server with the pages and faults the crawler's tests capture."""

import asyncio
import contextlib
import ssl
import struct
import zlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def png(width: int, height: int, seed: int = 0) -> bytes:
    """A real picture: coloured stripes."""

    def pixel(x: int, y: int) -> bytes:
        return bytes(((x * 3 + seed) % 256, (y * 5 + seed) % 256, (x ^ y) % 256))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + b"".join(pixel(x, y) for x in range(width)) for y in range(height))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


PICTURE = png(64, 64)
SHOP = """<!doctype html><html lang=zh><head><meta charset=utf-8><title>赣南脐橙旗舰店</title>
<link rel=stylesheet href=/style.css></head><body><h1>赣南脐橙 5 斤装</h1><p>联系电话 13800000000</p>
%s<script src=/app.js></script></body></html>"""
LAZY = "".join(
    f'<div style="height:600px"><img loading=lazy src="/p{n}.png" width=64 height=64></div>'
    for n in range(10)
)
ENDLESS = """<!doctype html><title>无尽</title><body><div style="height:2000px">开始</div><script>
addEventListener('scroll', () => { for (let i = 0; i < 3; i++) { const d = document.createElement('div');
d.style.height = '900px'; d.textContent = '更多'; document.body.append(d); } });</script>"""
GBK = "<meta charset=gbk><title>南昌</title><p>南昌县市场监督管理局，价格 ￥9.9".encode("gbk")


@dataclass
class Site:
    """A running server. `hits` counts requests by path."""

    port: int
    hits: Counter[str] = field(default_factory=Counter)

    def url(self, path: str = "/", *, host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"


APP = """fetch('/x.json').then(r => r.json()).then(j => { const p = document.createElement('p');
p.textContent = j.sold; document.body.append(p) })"""
TALL = "<body style='margin:0'><div style='height:60000px;background:linear-gradient(red,blue)'>高</div>"
FORM = (
    "<form action=/x>"
    + "".join(
        f"<label>{name}<input name={name} autocomplete={name}></label>"
        for name in ("name", "email", "tel", "street-address", "postal-code", "cc-number")
    )
    + "<input type=password name=p><button>注册</button></form>"
)
RUDE = "<h1>弹窗</h1><script>alert('一');confirm('二');window.open('/gone');print();</script>"

Answer = tuple[int, list[tuple[str, str]], bytes]


def _html(title: str, body: str) -> Answer:
    return _text(f"<!doctype html><meta charset=utf-8><title>{title}</title>{body}", "text/html")


def _text(body: str, kind: str) -> Answer:
    return 200, [("Content-Type", f"{kind}; charset=utf-8")], body.encode()


def _moved(status: int, place: str) -> Answer:
    return status, [("Location", place)], b""


ZIP = [("Content-Type", "application/zip"), ("Content-Disposition", "attachment; filename=a.zip")]
PAGES: dict[str, Answer] = {
    "/": _text(SHOP % LAZY, "text/html"),
    "/style.css": _text("h1{color:#b00}", "text/css"),
    "/app.js": _text(APP, "text/javascript"),
    "/x.json": _text('{"sold":"月销 1024 件"}', "application/json"),
    "/gbk": (200, [("Content-Type", "text/html")], GBK),
    "/gone": (404, [("Content-Type", "text/html; charset=utf-8")], "<title>404</title>页面不存在".encode()),
    "/moved": _moved(302, "/moved2"),
    "/moved2": _moved(301, "/"),
    "/circle": _moved(302, "/circle"),
    "/to-file": _moved(302, "file:///etc/passwd"),
    "/file.zip": (200, ZIP, b"PK" * 50_000),
    "/endless": _text(ENDLESS, "text/html"),
    "/tall": _html("tall", TALL),
    "/loop": _html("loop", "<h1>死循环</h1><script>while(true){}</script>"),
    "/rude": _html("rude", RUDE),
    "/inner-file": _html("f", "<iframe src='file:///etc/passwd'></iframe><p>外层</p>"),
    "/hanging-image": _html("slow", "<h1>有图</h1><img src=/hang>"),
    "/no-content": (204, [], b""),
    "/framing": _html("框架", "<iframe src='//other.localhost:PORT/inner' width=600 height=400></iframe>"),
    "/inner": _html("内页", "<p>内页价格</p><img src=/p77.png><script src=/inner.js></script>"),
    "/form": _html("表单", FORM),
    "/inner.js": _text("new Worker('/worker.js')", "text/javascript"),
    "/worker.js": _text("fetch('/from-worker.json')", "text/javascript"),
    "/from-worker.json": _text("{}", "application/json"),
}


def answer(path: str) -> Answer:
    """Status, headers and body of the plain pages."""
    if path.startswith("/p") and path.endswith(".png"):
        return 200, [("Content-Type", "image/png")], PICTURE
    return PAGES.get(path, (404, [("Content-Type", "text/plain")], b"no such page"))


async def _serve(site: Site, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ")[1].decode()
            site.hits[path] += 1
            if path == "/hang":
                await asyncio.sleep(300)
            if path == "/reset":
                break
            if path in ("/gib", "/gib-page"):
                await _gib(writer, path)
                break
            if path == "/drip":
                await _drip(writer)
                break
            status, headers, body = answer(path)
            body = body.replace(b":PORT/", b":%d/" % site.port)
            lines = [
                f"HTTP/1.1 {status} X",
                *(f"{k}: {v}" for k, v in headers),
                f"Content-Length: {len(body)}",
            ]
            writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
            await writer.drain()
    writer.close()


async def _gib(writer: asyncio.StreamWriter, path: str) -> None:
    kind = b"text/html" if path == "/gib-page" else b"application/octet-stream"
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: " + kind + b"\r\nContent-Length: 1073741824\r\n\r\n")
    block = b"<p>0123456789abcde</p>\n" * 5000
    for _ in range(1073741824 // len(block)):
        writer.write(block)
        await writer.drain()


async def _drip(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<title>drip</title><h1>drip</h1>")
    while True:
        writer.write(b"<p>more</p>")
        await writer.drain()
        await asyncio.sleep(0.2)


@contextlib.asynccontextmanager
async def running_site(tls: ssl.SSLContext | None = None) -> AsyncIterator[Site]:
    """The server on a port the system picks."""
    site = Site(0)
    server = await asyncio.start_server(lambda r, w: _serve(site, r, w), "127.0.0.1", 0, ssl=tls)
    site.port = server.sockets[0].getsockname()[1]
    try:
        yield site
    finally:
        server.close()


def self_signed(folder: Path, *, expired: bool = False) -> ssl.SSLContext:
    """A server context with a certificate nobody trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "不可信商城")])
    now = datetime.now(UTC)
    end = now - timedelta(days=1) if expired else now + timedelta(days=30)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(end)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "site.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context
