"""Settings only the gateway reads (prefix `WANGJIAN_`), beside those of services.common.settings."""

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Network = IPv4Network | IPv6Network


class DoorSettings(BaseSettings):
    """How the door is reached and how long a session lasts."""

    model_config = SettingsConfigDict(env_prefix="WANGJIAN_", extra="ignore", frozen=True)

    public_origins: Annotated[list[str], NoDecode] = []
    """Origins browsers use besides loopback, e.g. `https://wangjian.example.gov.cn`; others are refused."""

    trusted_proxies: Annotated[list[Network], NoDecode] = []
    """Networks of reverse proxies whose X-Forwarded-For and X-Forwarded-Proto are believed; none by default.
    """

    session_idle_minutes: int = Field(default=15, ge=1, le=30)
    session_absolute_hours: int = Field(default=8, ge=1, le=12)

    console_dir: Path = Path(__file__).resolve().parent.parent / "web" / "console" / "dist"
    """The console's built files."""

    verification_dir: Path = Path(__file__).resolve().parent.parent / "web" / "verify" / "dist"
    """The public verification page's built files."""

    @field_validator("public_origins", mode="before")
    @classmethod
    def _origins(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        origins = [part.strip().rstrip("/").lower() for part in value.split(",") if part.strip()]
        for origin in origins:
            if not origin.startswith(("https://", "http://")) or "/" in origin.split("://", 1)[1]:
                raise ValueError(f"WANGJIAN_PUBLIC_ORIGINS: '{origin}' is not scheme://host[:port]")
        return origins

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _networks(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return [ip_network(part.strip()) for part in value.split(",") if part.strip()]


@lru_cache(maxsize=1)
def get_door_settings() -> DoorSettings:
    """The door's settings, read once."""
    return DoorSettings()
