"""Where an S3 store is and how it is spoken to."""

from dataclasses import dataclass
from pathlib import Path

import urllib3
from minio import Minio

_CONNECTIONS = 32


@dataclass(frozen=True)
class S3Config:
    """Where the store is and how it is spoken to. endpoint: host[:port]; lock_days: the first retention."""

    endpoint: str
    bucket: str
    access_key: str
    secret_key: str
    region: str = "us-east-1"
    tls: bool = True
    ca_file: Path | None = None
    timeout_seconds: float = 20.0
    lock_days: int = 30


def connect(config: S3Config) -> Minio:
    """The client, with bounded times: connecting 3 s, a silent connection `timeout_seconds`, two repeats."""
    http = urllib3.PoolManager(
        maxsize=_CONNECTIONS,
        timeout=urllib3.Timeout(connect=3.0, read=config.timeout_seconds),
        retries=urllib3.Retry(total=2, backoff_factor=0.2, status_forcelist=(500, 502, 503, 504)),
        ca_certs=str(config.ca_file) if config.ca_file else None,
        cert_reqs="CERT_REQUIRED",
    )
    return Minio(
        config.endpoint,
        config.access_key,
        config.secret_key,
        secure=config.tls,
        region=config.region,
        http_client=http,
    )
