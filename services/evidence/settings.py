"""Settings of the evidence service beside the common ones (same prefix `WANGJIAN_`)."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.common.settings import Settings


class EvidenceSettings(BaseSettings):
    """Where trust comes from and what is accepted."""

    model_config = SettingsConfigDict(env_prefix="WANGJIAN_", extra="ignore", frozen=True)

    log_origin: str | None = None
    """Origin line of the log; default `wangjian.local/log-<first 8 hex of the log key's id>`."""
    tsa_trust: Path | None = None
    """JSON file of the pinned time-stamping authorities; default `<home>/tsa/authority.json`."""
    tsa_quorum: int = 1
    """How many different operators' time stamps an item needs before it goes on."""
    renew_days: int = 90
    """How many days before a time stamp's certificate ends its evidence is renewed (RFC 4998)."""
    custodian_trust: str | None = None
    """JSON identity files of the pinned custodians, separated by commas, in the order of
    WANGJIAN_CUSTODIAN_URL; default `<home>/custodian/identity.json`."""
    custodian_quorum: int | None = Field(default=None, ge=1)
    """How many custodians of different operators must cosign and keep a copy; default all of them."""
    artefact_limit_bytes: int = 2 << 30
    """Largest artefact taken."""
    store: Literal["disk", "s3"] = "disk"
    """Where objects are kept: below `<home>/evidence/objects`, or in a bucket of an S3 server."""
    store_require_worm: bool = False
    """Refuse to start unless the store was proven to refuse deletion."""
    store_lock_days: int = Field(default=30, ge=1)
    """Retention of an object from its first moment; sealing extends it to what the retention rule says."""
    s3_endpoint: str | None = None
    """`host[:port]` of the S3 server."""
    s3_bucket: str = "wangjian-evidence"
    s3_access_key: str = ""
    s3_secret_key: SecretStr | None = None
    s3_secret_key_file: Path | None = None
    """File with the secret key, instead of the variable."""
    s3_region: str = "us-east-1"
    s3_tls: bool = True
    s3_ca_file: Path | None = None
    """PEM file of the authority that signed the S3 server's certificate, where it is none of the system's."""
    s3_timeout_seconds: float = Field(default=20.0, gt=0)
    """How long a silent connection to the S3 server is waited for."""
    sweep_mb_per_second: float = Field(default=50.0, gt=0)
    """How fast the nightly sweep may read objects (10^6 bytes a second)."""

    def s3_secret(self) -> str:
        """The secret key of the S3 server. Raises OSError when its file cannot be read."""
        if self.s3_secret_key_file:
            return self.s3_secret_key_file.read_text("utf-8").strip()
        return self.s3_secret_key.get_secret_value() if self.s3_secret_key else ""

    def tsa_trust_file(self, settings: Settings) -> Path:
        """The file with the pinned time-stamping authorities."""
        return self.tsa_trust or settings.home / "tsa" / "authority.json"

    def custodian_trust_files(self, settings: Settings) -> list[Path]:
        """The files with the pinned custodians."""
        given = [Path(part.strip()) for part in (self.custodian_trust or "").split(",") if part.strip()]
        return given or [settings.home / "custodian" / "identity.json"]


def evidence_home(settings: Settings) -> Path:
    """Where the service keeps objects and tiles."""
    return settings.home / "evidence"
