"""Settings of every process, read from the environment with the prefix `WANGJIAN_`."""

import hashlib
import os
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

SERVICES = ("registry", "crawler", "evidence", "casework")
DATABASES = ("gateway", *SERVICES)

# A UNIX socket path may hold 107 bytes; our longest socket name below the run folder takes under 37.
_LONGEST_RUN_DIR = 70


class Settings(BaseSettings):
    """One flat set of settings; a process reads those it needs.

    Everything has a default that fits the embedded stack under `home`; production gives URLs instead.
    """

    model_config = SettingsConfigDict(env_prefix="WANGJIAN_", extra="ignore", frozen=True)

    home: Path = Path("var")
    port: int = 8080
    host: str = "127.0.0.1"

    database_url_gateway: str | None = None
    database_url_registry: str | None = None
    database_url_crawler: str | None = None
    database_url_evidence: str | None = None
    database_url_casework: str | None = None

    redis_url: str | None = None

    gateway_url: str | None = None
    registry_url: str | None = None
    crawler_url: str | None = None
    evidence_url: str | None = None
    casework_url: str | None = None
    tsa_url: str | None = None
    custodian_url: str | None = None

    capture_allow: Annotated[list[tuple[str, int]], NoDecode] = []
    suites: Annotated[tuple[str, ...], NoDecode] = ("international",)
    """Crypto suites every package is signed in: `international`, `national`, or both by comma."""
    worker_key_international: str | None = None
    """`pkcs11:` URI of the key when it lies in a token (HSM); none: a key file."""
    worker_key_national: str | None = None
    sealing_key_international: str | None = None
    sealing_key_national: str | None = None
    market_port: int | None = None
    session_idle_minutes: int = 15
    session_absolute_hours: int = 8
    import_file_days: int = 180
    """Days the registry keeps an imported file as received after the last work on it; 0: for good."""

    @field_validator("home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("import_file_days")
    @classmethod
    def _days(cls, value: int) -> int:
        if value < 0:
            raise ValueError("WANGJIAN_IMPORT_FILE_DAYS: not a number of days")
        return value

    @field_validator("capture_allow", mode="before")
    @classmethod
    def _parse_allow(cls, value: Any) -> Any:
        """`host:port,host:port` → [(host, port)]; an IPv6 literal stands in brackets."""
        if not isinstance(value, str):
            return value
        pairs: list[tuple[str, int]] = []
        for entry in filter(None, (part.strip() for part in value.split(","))):
            host, _, port = entry.rpartition(":")
            if not host or not port.isdigit() or not 0 < int(port) < 65536:
                raise ValueError(f"WANGJIAN_CAPTURE_ALLOW: '{entry}' is not host:port")
            pairs.append((host.strip("[]").lower(), int(port)))
        return pairs

    @field_validator("suites", mode="before")
    @classmethod
    def _parse_suites(cls, value: Any) -> Any:
        """`international,national` → the suites in their fixed order."""
        from services.common.suites import parse_suites

        return parse_suites(value)

    @property
    def run_dir(self) -> Path:
        """Folder of the UNIX sockets (mode 700), short enough for a socket address."""
        inside = self.home / "run"
        if len(os.fsencode(inside)) <= _LONGEST_RUN_DIR:
            return inside
        mark = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:8]
        return Path(tempfile.gettempdir()) / f"wangjian-{os.getuid()}-{mark}"

    @property
    def keys_dir(self) -> Path:
        """Folder of the signing keys (mode 700)."""
        return self.home / "keys"

    @property
    def spool_dir(self) -> Path:
        """Where a capture worker writes artefacts before they are with the evidence service."""
        return self.home / "spool"

    @property
    def imports_dir(self) -> Path:
        """Where the registry keeps imported lists as received, sealed (mode 700)."""
        return self.home / "imports"

    @property
    def broker_url(self) -> str:
        """Redis as Celery names it: `redis+socket://…` for a UNIX socket."""
        url = self.redis_location
        return "redis+socket://" + url.removeprefix("unix://") if url.startswith("unix://") else url

    @property
    def redis_location(self) -> str:
        """Redis as redis-py names it."""
        return self.redis_url or f"unix://{self.run_dir}/redis.sock"

    def database_url(self, service: str) -> str:
        """SQLAlchemy URL of one service's own database (psycopg 3)."""
        given: str | None = getattr(self, f"database_url_{service}")
        return given or f"postgresql+psycopg://postgres@/{service}?host={self.run_dir}/postgres"

    def service_url(self, name: str) -> str:
        """Where a process listens: `http://host:port` or `unix:/path.sock`."""
        given: str | None = getattr(self, f"{name}_url")
        return given or f"unix:{self.run_dir}/{name}.sock"


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process, read once."""
    return Settings()
