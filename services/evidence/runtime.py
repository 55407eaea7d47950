"""What the running service holds: store, log, keys, and its connections to authorities and custodian."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Depends, Request

from services.common.database import Database
from services.common.problems import Problem
from services.common.settings import Settings
from services.common.suites import PublicKey, Signer, policy_id
from services.evidence.custodian import CustodianClient, read_custodian
from services.evidence.keys.ring import KeyRing
from services.evidence.log.service import TransparencyLog
from services.evidence.log.shards import ShardKeys
from services.evidence.log.witnesses import required_operators
from services.evidence.objects.opening import open_store
from services.evidence.objects.store import ObjectStore
from services.evidence.settings import EvidenceSettings, evidence_home
from services.evidence.timestamps.client import StampClient, open_client
from services.evidence.verification.trust import TrustMissingError, build_trust


def trust_missing(what: str) -> Problem:
    """503: a public key or identity file this step needs is not there."""
    return Problem(
        "evidence.trust_missing",
        503,
        zh=f"缺少固证所需的公钥或证书文件:{what}",
        en=f"a key or certificate file that sealing needs is missing or unusable: {what}",
        todo_zh="请确认时间戳服务与第三方存证服务已启动,或检查相应配置",
        todo_en="see that the time-stamping authority and the custodian run, or check their settings",
    )


@dataclass
class Runtime:
    """Held at `app.state.evidence`."""

    settings: Settings
    own: EvidenceSettings
    database: Database
    store: ObjectStore
    log: TransparencyLog
    keys: KeyRing
    _stamps: StampClient | None = field(default=None, init=False)
    _custodians: list[CustodianClient] = field(default_factory=list, init=False)

    def stamps(self) -> StampClient:
        """The time-stamping client. Raises Problem 503 `evidence.trust_missing`."""
        if self._stamps is None:
            file = self.own.tsa_trust_file(self.settings)
            try:
                self._stamps = open_client(self.settings, file, self.own.tsa_quorum)
            except (OSError, ValueError, KeyError) as error:
                raise trust_missing(file.name) from error
        return self._stamps

    def require_clock(self) -> None:
        """Raise Problem 503 `evidence.clock_disagrees` when the authorities lately said another time."""
        if self._stamps:
            self._stamps.require_clock()

    def custodians(self) -> list[CustodianClient]:
        """A client for each pinned custodian. Raises Problem 503 `evidence.trust_missing`."""
        if not self._custodians:
            self._custodians = open_custodians(self.settings, self.own)
        return self._custodians

    @property
    def custodian_quorum(self) -> int:
        """How many different operators must cosign and keep a copy. Raises Problem 503 as `custodians`."""
        return required_operators(self.custodians(), self.own.custodian_quorum)

    @property
    def policy(self) -> str:
        """The policy of the packages sealed here."""
        return policy_id(self.settings.suites)

    @property
    def sealing_signers(self) -> Sequence[Signer]:
        """One in each suite of the policy. Raises Problem 503 `key.none_valid`."""
        return self.keys.sealers()

    def worker_keys(self) -> list[PublicKey]:
        """The capture workers' keys whose signatures are taken now."""
        return self.keys.workers()

    def trust(self) -> dict[str, Any]:
        """This installation's trust file. Raises Problem 503 `evidence.trust_missing`."""
        try:
            return build_trust(self.settings, self.own)
        except TrustMissingError as error:
            raise trust_missing(str(error)) from error

    async def close(self) -> None:
        """Stop the log and close the connections."""
        await self.log.stop()
        self.store.close()
        if self._stamps:
            await self._stamps.close()
        for custodian in self._custodians:
            await custodian.close()


def open_runtime(settings: Settings, database: Database) -> Runtime:
    """The runtime of this process; makes the service's keys and folders at first start."""
    own = EvidenceSettings()
    home = evidence_home(settings)
    keys = ShardKeys(settings.keys_dir, own.log_origin)
    # Made here, because the trust file needs the public key before anything is logged.
    keys.private(0)
    runtime = Runtime(
        settings=settings,
        own=own,
        database=database,
        store=open_store(own, home),
        log=TransparencyLog(database, keys, home / "log", own.custodian_quorum),
        keys=KeyRing(settings, database),
    )
    runtime.log.witnesses_from = runtime.custodians
    return runtime


def open_custodians(settings: Settings, own: EvidenceSettings) -> list[CustodianClient]:
    """Clients for the custodians these settings name. Raises Problem 503 `evidence.trust_missing`."""
    files, urls = own.custodian_trust_files(settings), settings.service_url("custodian").split(",")
    if len(files) != len(urls):
        raise trust_missing("WANGJIAN_CUSTODIAN_TRUST (one file for each WANGJIAN_CUSTODIAN_URL)")
    found = []
    for file, url in zip(files, urls, strict=True):
        try:
            found.append((url.strip(), read_custodian(file)))
        except (OSError, ValueError, KeyError) as error:
            raise trust_missing(file.name) from error
    clients = [CustodianClient(url, pinned) for url, pinned in found]
    if required_operators(clients, own.custodian_quorum) > required_operators(clients, None):
        raise trust_missing("WANGJIAN_CUSTODIAN_QUORUM (more than there are operators)")
    return clients


def _of_request(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.evidence
    return runtime


EvidenceRuntime = Annotated[Runtime, Depends(_of_request)]
