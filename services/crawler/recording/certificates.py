"""TLS certificates: the chain of the browser's own connection, and that of a connection it rejected."""

import asyncio
import base64
import hashlib
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from playwright.async_api import CDPSession
from playwright.async_api import Error as BrowserError

from services.crawler.egress.rules import Target
from services.crawler.recording.spool import Spool

_MAX_ORIGINS = 60
_HANDSHAKE_SECONDS = 8.0


def origin_of(url: str) -> str:
    """scheme://host[:port] of a URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


async def collect_chains(cdp: CDPSession, origins: list[str], spool: Spool) -> dict[str, list[str]]:
    """Write each origin's chain as DER; origin → SHA-256 of each certificate, leaf first."""
    picked = [origin for origin in origins if origin.startswith("https://")][:_MAX_ORIGINS]
    answers = await asyncio.gather(
        *(cdp.send("Network.getCertificate", {"origin": origin}) for origin in picked),
        return_exceptions=True,
    )
    chains: dict[str, list[str]] = {}
    for origin, answer in zip(picked, answers, strict=True):
        if isinstance(answer, BrowserError):
            continue  # an origin whose connection failed has no certificate; its requests say why
        if isinstance(answer, BaseException):
            raise answer
        ders = [base64.b64decode(item) for item in answer["tableNames"]]
        if ders:
            chains[origin] = write_chain(spool, ders)
    return chains


def write_chain(spool: Spool, ders: list[bytes]) -> list[str]:
    """Write certificates once each (sites of one owner share them); gives their SHA-256, leaf first."""
    digests = []
    for der in ders:
        digest = hashlib.sha256(der).hexdigest()
        path = f"evidence/tls-{digest[:32]}.der"
        if not any(a.path == path for a in spool.artefacts):
            spool.write(path, "certificate", "application/pkix-cert", der)
        digests.append(digest)
    return digests


def facts_of(der: bytes) -> dict[str, Any]:
    """What an officer asks of a certificate: whose, by whom, from when to when, for which names."""
    certificate = x509.load_der_x509_certificate(der)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        hosts = [str(n) for n in names.get_values_for_type(x509.DNSName)][:50]
    except x509.ExtensionNotFound:
        hosts = []
    return {
        "subject": certificate.subject.rfc4514_string(),
        "issuer": certificate.issuer.rfc4514_string(),
        "not_before": certificate.not_valid_before_utc.isoformat().replace("+00:00", "Z"),
        "not_after": certificate.not_valid_after_utc.isoformat().replace("+00:00", "Z"),
        "names": hosts,
        "sha256": hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest(),
    }


async def rejected_certificate(proxy: Path | tuple[str, int], target: Target) -> bytes | None:
    """The leaf certificate of a site whose TLS the browser rejected, from a second connection.

    The browser forgets a rejected handshake, so this asks again through the same proxy (and so the same
    checked address), trusting nothing and sending no request. None when no handshake comes about.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        async with asyncio.timeout(_HANDSHAKE_SECONDS):
            if isinstance(proxy, Path):
                reader, writer = await asyncio.open_unix_connection(str(proxy))
            else:
                reader, writer = await asyncio.open_connection(*proxy)
            try:
                head = f"CONNECT {target.authority} HTTP/1.1\r\nHost: {target.authority}\r\n\r\n"
                writer.write(head.encode())
                answer = await reader.readuntil(b"\r\n\r\n")
                if b" 200 " not in answer.partition(b"\r\n")[0]:
                    return None
                await writer.start_tls(context, server_hostname=target.host)
                found: ssl.SSLObject = writer.get_extra_info("ssl_object")
                return found.getpeercert(binary_form=True)
            finally:
                writer.close()
    except (OSError, asyncio.IncompleteReadError):
        # No handshake at all: then there is no certificate to keep, and the reason says so.
        return None
