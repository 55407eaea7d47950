"""Signing keys over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from services.common.identity import Claims, require, require_any
from services.evidence.keys import service
from services.evidence.keys.schemas import Changed, KeyList, KeyOut, RegisterIn, RevokeIn, RotateIn
from services.evidence.runtime import EvidenceRuntime

router = APIRouter(tags=["签名密钥 keys"])

KeyId = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]


@router.get("/keys", dependencies=[Depends(require_any("key:manage", "system:read"))])
async def list_keys(runtime: EvidenceRuntime) -> KeyList:
    """签名密钥 · every signing key there ever was, the newest first."""
    await runtime.keys.refresh()
    known = reversed(runtime.keys.every())
    return KeyList(items=[KeyOut.of(key) for key in known], suites=list(runtime.settings.suites))


@router.post("/keys/rotation")
async def rotate(
    given: RotateIn, claims: Annotated[Claims, Depends(require("key:manage"))], runtime: EvidenceRuntime
) -> Changed:
    """轮换密钥 · new sealing keys; the former ones count for a day longer."""
    touched = await service.rotate(runtime, given, claims)
    return Changed(items=[KeyOut.of(key) for key in touched])


@router.post("/keys")
async def register(
    given: RegisterIn, claims: Annotated[Claims, Depends(require("key:manage"))], runtime: EvidenceRuntime
) -> Changed:
    """登记采集节点密钥 · a capture worker's new key, with the proof that its private part is held."""
    touched = await service.register(runtime, given, claims)
    return Changed(items=[KeyOut.of(key) for key in touched])


@router.post("/keys/{keyid}/revocation")
async def revoke(
    keyid: KeyId,
    given: RevokeIn,
    claims: Annotated[Claims, Depends(require("key:manage"))],
    runtime: EvidenceRuntime,
) -> Changed:
    """吊销密钥 · nothing stamped after `since` counts; what was stamped before stays valid."""
    touched, waiting = await service.revoke(runtime, keyid, given, claims)
    return Changed(items=[KeyOut.of(key) for key in touched], unstamped=waiting)
