"""What is stamped."""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509

from services.common.dsse import Envelope
from services.common.settings import Settings

HEADER = "wangjian:dsse-signatures:v1\n"


def stamped_message(envelope: Envelope) -> bytes:
    """The bytes whose SHA-256 the authorities stamp.

    The line `wangjian:dsse-signatures:v1`, then for each signature in the envelope's order one line
    `<keyid> <base64 signature>`; every line ends with LF. With jq and OpenSSL:
    `(echo wangjian:dsse-signatures:v1; jq -r '.signatures[]|"\\(.keyid) \\(.sig)"' manifest.dsse.json)`
    piped into `openssl ts -verify -data /dev/stdin -in tst-0.tsr -CAfile ca.pem`.
    """
    lines = "".join(f"{item['keyid']} {item['sig']}\n" for item in envelope["signatures"])
    return (HEADER + lines).encode()


def imprint(envelope: Envelope) -> bytes:
    """SHA-256 of `stamped_message`."""
    return hashlib.sha256(stamped_message(envelope)).digest()


@dataclass(frozen=True)
class PinnedAuthority:
    """A time-stamping authority as pinned: certificates in DER; url: where it is, unless settings say."""

    name: str
    operator: str
    certificate: bytes
    chain: tuple[bytes, ...]
    policy_oids: tuple[str, ...]
    development: bool
    url: str | None = None

    @property
    def valid_until(self) -> datetime:
        """Until when its certificate is valid."""
        return x509.load_der_x509_certificate(self.certificate).not_valid_after_utc

    def as_trust(self) -> dict[str, Any]:
        """Its entry in the trust file."""
        return {
            "name": self.name,
            "operator": self.operator,
            "certificate": base64.b64encode(self.certificate).decode(),
            "chain": [base64.b64encode(item).decode() for item in self.chain],
            "policy_oids": list(self.policy_oids),
            "development": self.development,
        }


def read_authorities(path: Path) -> list[PinnedAuthority]:
    """The pinned authorities in a JSON file (one object or a list). Raises OSError, ValueError, KeyError."""
    document = json.loads(path.read_text("utf-8"))
    items = document if isinstance(document, list) else [document]
    return [
        PinnedAuthority(
            name=item["name"],
            operator=item["operator"],
            certificate=base64.b64decode(item["certificate"], validate=True),
            chain=tuple(base64.b64decode(der, validate=True) for der in item["chain"]),
            policy_oids=tuple(item["policy_oids"]),
            development=bool(item.get("development", False)),
            url=item.get("url"),
        )
        for item in items
    ]


def authority_urls(settings: Settings, authorities: Sequence[PinnedAuthority]) -> list[str]:
    """Where each authority is asked: WANGJIAN_TSA_URL (comma list in their order), else as the file says."""
    if settings.tsa_url is None and all(item.url for item in authorities):
        return [str(item.url) for item in authorities]
    return [url.strip() for url in settings.service_url("tsa").split(",")]
