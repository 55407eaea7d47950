"""Settings of the evidence service beside the common ones (same prefix `WANGJIAN_`)."""

from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict

from services.common.settings import Settings


class EvidenceSettings(BaseSettings):
    """Where trust comes from and what is accepted."""

    model_config = SettingsConfigDict(env_prefix="WANGJIAN_", extra="ignore", frozen=True)

    log_origin: str | None = None
    """Origin line of the log; default `wangjian.local/log-<first 8 hex of the log key's id>`."""
    tsa_trust: Path | None = None
    """JSON file of the pinned time-stamping authorities; default `<home>/tsa/authority.json`."""
    custodian_trust: Path | None = None
    """JSON identity file of the pinned custodian; default `<home>/custodian/identity.json`."""
    artefact_limit_bytes: int = 2 << 30
    """Largest artefact taken."""

    def tsa_trust_file(self, settings: Settings) -> Path:
        """The file with the pinned time-stamping authorities."""
        return self.tsa_trust or settings.home / "tsa" / "authority.json"

    def custodian_trust_file(self, settings: Settings) -> Path:
        """The file with the pinned custodian."""
        return self.custodian_trust or settings.home / "custodian" / "identity.json"


def evidence_home(settings: Settings) -> Path:
    """Where the service keeps objects and tiles."""
    return settings.home / "evidence"
