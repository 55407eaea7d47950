"""The store the settings name."""

from pathlib import Path

from services.common.problems import Problem
from services.evidence.objects.disk import DiskStore
from services.evidence.objects.store import ObjectStore
from services.evidence.settings import EvidenceSettings


def open_store(own: EvidenceSettings, home: Path) -> ObjectStore:
    """The store of this installation; an S3 server is not asked anything yet.

    Raises Problem 503 `evidence.store_settings` when the settings do not suffice.
    """
    if own.store == "disk":
        return DiskStore(home / "objects")
    # Imported here: a disk installation does not load the S3 client.
    from services.evidence.objects.s3 import S3Store
    from services.evidence.objects.s3_config import S3Config

    try:
        secret = own.s3_secret()
    except OSError as error:
        raise _settings(f"WANGJIAN_S3_SECRET_KEY_FILE: {error.strerror}") from error
    given = {
        "WANGJIAN_S3_ENDPOINT": own.s3_endpoint,
        "WANGJIAN_S3_ACCESS_KEY": own.s3_access_key,
        "WANGJIAN_S3_SECRET_KEY": secret,
    }
    missing = [name for name, value in given.items() if not value]
    if missing:
        raise _settings(f"WANGJIAN_STORE=s3 needs {', '.join(missing)}")
    config = S3Config(
        endpoint=str(own.s3_endpoint),
        bucket=own.s3_bucket,
        access_key=own.s3_access_key,
        secret_key=secret,
        region=own.s3_region,
        tls=own.s3_tls,
        ca_file=own.s3_ca_file,
        timeout_seconds=own.s3_timeout_seconds,
        lock_days=own.store_lock_days,
    )
    try:
        return S3Store(config, home / "spool")
    except ValueError as error:
        raise _settings(f"WANGJIAN_S3_ENDPOINT: {error}") from error


def not_worm(faults: tuple[str, ...]) -> Problem:
    """503: the installation asks for a store that refuses deletion, and this one does not."""
    return Problem(
        "evidence.store_not_worm",
        503,
        zh="证据存储未通过防删除检验,按设置拒绝启动",
        en=f"the store does not refuse deletion, and the settings ask for that: {'; '.join(faults)}",
        todo_zh="请使用启用版本控制与对象锁定(COMPLIANCE)的存储桶,或取消 WANGJIAN_STORE_REQUIRE_WORM",
        todo_en="use a bucket with versioning and object lock, or unset WANGJIAN_STORE_REQUIRE_WORM",
    )


def _settings(what: str) -> Problem:
    return Problem(
        "evidence.store_settings",
        503,
        zh=f"证据存储的配置不完整:{what}",
        en=f"the settings of the evidence store do not suffice: {what}",
        todo_zh="请按 docs/evidence/store.md 补全配置",
        todo_en="complete them as docs/evidence/store.md says",
    )
