"""The web archive of a capture: WARC/1.1 (ISO 28500:2017), CDXJ index and page list for WACZ 1.1.1."""

import gzip
import hashlib
import io
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from services.crawler.recording.bodies import BodyStore
from services.crawler.recording.exchanges import Exchange
from services.crawler.recording.spool import HashingFile, Spool

WARC_PATH = "archive/data.warc.gz"
CDXJ_PATH = "indexes/index.cdxj"
PAGES_PATH = "pages/pages.jsonl"
_RENAMED = ("content-encoding", "transfer-encoding", "content-length")
_PROTOCOLS = {"h2": "http/2", "h3": "http/3", "http/1.0": "http/1.0", "http/1.1": "http/1.1"}
# Pictures are compressed already; speed counts, size hardly changes.
_LEVEL = 1


@dataclass(frozen=True)
class Page:
    """The page of a capture as pages.jsonl lists it."""

    url: str
    title: str
    text: str


class ArchiveWriter:
    """Writes records one gzip member each and remembers where the answers lie."""

    def __init__(self, out: HashingFile) -> None:
        self._out = out
        self._index: list[tuple[str, str, dict[str, str]]] = []

    def _record(self, record: Any) -> tuple[int, int]:
        offset, plain = self._out.tell(), io.BytesIO()
        WARCWriter(plain, gzip=False, warc_version="1.1").write_record(record)
        # mtime 0: the same records give the same bytes
        self._out.write(gzip.compress(plain.getbuffer(), _LEVEL, mtime=0))
        return offset, self._out.tell() - offset

    def info(self, fields: dict[str, str]) -> None:
        """The warcinfo record every file begins with."""
        writer = WARCWriter(io.BytesIO(), gzip=False, warc_version="1.1")
        self._record(writer.create_warcinfo_record("data.warc.gz", fields))

    def exchange(self, exchange: Exchange, body: bytes, peer: str | None) -> None:
        """One answer and its request, tied together by WARC-Concurrent-To."""
        writer = WARCWriter(io.BytesIO(), gzip=False, warc_version="1.1")
        headers: dict[str, str] = {"WARC-Date": warc_date(exchange.started)}
        if peer:
            headers["WARC-IP-Address"] = peer
        protocol = _PROTOCOLS.get(str((exchange.response or {}).get("protocol", "")))
        if protocol:
            headers["WARC-Protocol"] = protocol
        if exchange.missing and exchange.body:
            headers["WARC-Truncated"] = "unspecified"
        status, answer = _answer_head(exchange, len(body))
        http = StatusAndHeaders(status, answer, protocol="HTTP/1.1")
        # warcio's own encoding of the head, which is what it will write
        http.compute_headers_buffer()
        block = http.headers_buff + body
        headers["WARC-Payload-Digest"] = f"sha256:{hashlib.sha256(body).hexdigest()}"
        headers["WARC-Block-Digest"] = f"sha256:{hashlib.sha256(block).hexdigest()}"
        response = writer.create_warc_record(
            exchange.url, "response", payload=io.BytesIO(body), http_headers=http, warc_headers_dict=headers
        )
        offset, length = self._record(response)
        self._remember(exchange, headers, offset, length)
        self._request(writer, exchange, response.rec_headers.get_header("WARC-Record-ID"), headers)

    def _request(
        self, writer: WARCWriter, exchange: Exchange, response_id: str, response: dict[str, str]
    ) -> None:
        parts = urlsplit(exchange.url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        sent = list(_lines(exchange.request_headers))
        if not any(name.lower() == "host" for name, _ in sent):
            sent.insert(0, ("Host", parts.netloc.rpartition("@")[2]))
        http = StatusAndHeaders(f"{exchange.method} {path} HTTP/1.1", sent, is_http_request=True)
        http.compute_headers_buffer()
        payload = exchange.post_data or b""
        headers = {
            "WARC-Date": response["WARC-Date"],
            "WARC-Concurrent-To": response_id,
            "WARC-Payload-Digest": f"sha256:{hashlib.sha256(payload).hexdigest()}",
            "WARC-Block-Digest": f"sha256:{hashlib.sha256(http.headers_buff + payload).hexdigest()}",
        }
        self._record(
            writer.create_warc_record(
                exchange.url, "request", payload=io.BytesIO(payload), http_headers=http,
                warc_headers_dict=headers,
            )
        )  # fmt: skip

    def _remember(self, exchange: Exchange, headers: dict[str, str], offset: int, length: int) -> None:
        moment = "".join(c for c in headers["WARC-Date"][:19] if c.isdigit())
        entry = {
            "url": exchange.url,
            "mime": exchange.media_type or "unk",
            "status": str(exchange.status),
            "digest": headers["WARC-Payload-Digest"],
            "length": str(length),
            "offset": str(offset),
            "filename": "data.warc.gz",
        }
        self._index.append((surt(exchange.url), moment, entry))

    def index(self) -> bytes:
        """The CDXJ index, sorted (WACZ §5.2.2)."""
        rows = sorted(f"{key} {moment} {json.dumps(entry)}" for key, moment, entry in self._index)
        return "".join(row + "\n" for row in rows).encode()


def surt(url: str) -> str:
    """Sort-friendly form of a URL: host reversed, lower case (`http://a.b/c` → `b,a)/c`)."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    turned = host if ":" in host or host.replace(".", "").isdigit() else ",".join(reversed(host.split(".")))
    port = f":{parts.port}" if parts.port else ""
    query = f"?{parts.query}" if parts.query else ""
    return f"{turned}{port}){parts.path or '/'}{query}".lower()


def warc_date(seconds: float) -> str:
    """Epoch seconds as WARC/1.1 writes time: UTC with microseconds."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _lines(headers: dict[str, str]) -> Iterable[tuple[str, str]]:
    """DevTools joins repeated headers with a line break; `:authority` and its like belong to HTTP/2."""
    for name, value in headers.items():
        if not name.startswith(":"):
            for part in value.split("\n"):
                yield name, part.strip()


def _answer_head(exchange: Exchange, length: int) -> tuple[str, list[tuple[str, str]]]:
    """Status and headers. Bodies are stored decoded, so the headers that described the coding are renamed."""
    response = exchange.response or {}
    headers = exchange.response_headers or {str(k): str(v) for k, v in response.get("headers", {}).items()}
    lines = [(f"x-orig-{n}" if n.lower() in _RENAMED else n, v) for n, v in _lines(headers)]
    lines.append(("Content-Length", str(length)))
    if exchange.transcoded:
        lines.append(("x-wangjian-body", "text re-encoded as UTF-8"))
    return f"{exchange.status} {response.get('statusText') or ''}".strip(), lines


def write_archive(
    spool: Spool,
    exchanges: Iterable[Exchange],
    bodies: BodyStore,
    page: Page,
    peer_of: Callable[[str], str | None],
    info: dict[str, str],
) -> None:
    """Write archive, index and page list. Without any answer the archive holds its warcinfo only."""
    main: Exchange | None = None
    with spool.writing(WARC_PATH, "archive", "application/warc") as out:
        archive = ArchiveWriter(out)
        archive.info(info)
        for exchange in exchanges:
            if exchange.response is None:
                continue
            body = bodies.read(exchange.body) if exchange.body else b""
            archive.exchange(exchange, body, peer_of(exchange.url))
            if exchange.url.partition("#")[0] == page.url.partition("#")[0] and not exchange.redirected:
                main = main or exchange
    spool.write(CDXJ_PATH, "index", "application/cdxj", archive.index())
    lines: list[dict[str, Any]] = [{"format": "json-pages-1.0", "id": "pages", "title": "All Pages"}]
    if main:
        moment = warc_date(main.started)
        lines.append({"id": "1", "url": page.url, "ts": moment, "title": page.title, "text": page.text})
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    spool.write(PAGES_PATH, "pages", "application/jsonl", text.encode())
