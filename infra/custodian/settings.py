"""Settings of a custodian, read from the environment with the prefix `CUSTODIAN_`: it stands alone."""

from pathlib import Path
from typing import Any

from pydantic import field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.common.settings import Settings


class CustodianSettings(BaseSettings):
    """Where a custodian keeps its things, where it listens, and who it is."""

    model_config = SettingsConfigDict(env_prefix="CUSTODIAN_", extra="ignore", frozen=True)

    home: Path | None = None
    """Its folder: keys, trust, witness state, store. Default `<WANGJIAN_HOME>/custodian` (embedded stack)."""
    listen: str | None = None
    """`http://host:port`, `https://host:port` or `unix:/path.sock`; default WANGJIAN_CUSTODIAN_URL."""
    name: str | None = None
    """Name in identity and receipts. Without one it is a development custodian and says so."""
    operator: str | None = None
    """The organisation that runs it; quorums count different operators. Default the name."""
    witness_name: str | None = None
    """Name of the witness key in cosignatures, a host name with a path; default made from the key."""
    tls_certificate: Path | None = None
    """PEM chain for `https://`; a proxy in front may do TLS instead."""
    tls_key: Path | None = None
    """PEM private key of that certificate."""

    @field_validator("home", mode="after")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().absolute()

    @field_validator("*", mode="before")
    @classmethod
    def _blank_is_unset(cls, value: Any) -> Any:
        """Container files give variables that nobody set as empty ones."""
        return None if value == "" else value

    @property
    def development(self) -> bool:
        """Whether this is nobody's custodian: it then pins its client's keys at first use."""
        return self.name is None

    def folder(self, settings: Settings) -> Path:
        """Its folder."""
        return self.home or settings.home / "custodian"

    def address(self, settings: Settings) -> str:
        """Where it listens."""
        return self.listen or settings.service_url("custodian")
