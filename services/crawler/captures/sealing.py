"""Handing a finished capture to the evidence service: upload, then seal, both repeatable."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from services.common.client import ServiceClient
from services.common.problems import Problem
from services.crawler.captures.progress import StepWriter
from services.crawler.captures.rules import SEAL_OPS
from services.crawler.recording.spool import Artefact, Spool

_CHUNK = 1 << 18
_PARALLEL = 3


async def log_order(evidence: ServiceClient, capture_id: str, order: dict[str, Any]) -> dict[str, Any]:
    """Have the order logged: {log_index, checkpoint, leaf_hash}. Raises the evidence service's Problem."""
    answer = await evidence.request("PUT", f"/internal/orders/{capture_id}", json=order)
    return dict(answer.json())


async def upload(evidence: ServiceClient, capture_id: str, spool: Spool, artefacts: list[Artefact]) -> None:
    """Send every artefact with its digests; ones already there are accepted again."""
    gate = asyncio.Semaphore(_PARALLEL)

    async def send(artefact: Artefact) -> None:
        async with gate:
            await evidence.request(
                "PUT",
                f"/internal/intakes/{capture_id}/artefacts/{quote(artefact.path)}",
                content=_read(spool.place(artefact.path)),
                headers={
                    "content-type": artefact.media_type,
                    "content-length": str(artefact.bytes),
                    "x-sha256": artefact.sha256,
                    "x-sm3": artefact.sm3,
                },
            )

    async with asyncio.TaskGroup() as group:
        for artefact in artefacts:
            group.create_task(send(artefact))


async def _read(path: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(path.open, "rb") as file:
        while chunk := await asyncio.to_thread(file.read, _CHUNK):
            yield chunk


async def seal(
    evidence: ServiceClient, capture_id: str, envelope: dict[str, Any], steps: StepWriter
) -> dict[str, Any]:
    """Seal, writing each stage as a step: {evidence_no, package_sha256, package_sm3, package_bytes}.

    Raises the Problem the evidence service names, or 502 `evidence.seal_broken` when its stream ends early.
    """
    steps.tell(SEAL_OPS[0], "running", {})
    path = f"/internal/intakes/{capture_id}/seal"
    async with evidence.stream("POST", path, json={"envelope": envelope}) as answer:
        async for line in answer.aiter_lines():
            if not line.strip():
                continue
            stage: dict[str, Any] = json.loads(line)
            if stage["op"] == "error":
                raise Problem.from_document(stage["problem"], int(stage["problem"].get("status") or 500))
            if stage["op"] == "digested":
                return stage
            steps.tell(stage["op"], "done", dict(stage.get("detail") or {}))
            if stage["op"] != SEAL_OPS[-1]:
                steps.tell(SEAL_OPS[SEAL_OPS.index(stage["op"]) + 1], "running", {})
    raise Problem(
        "evidence.seal_broken",
        502,
        zh="封存过程中断,系统将自动继续",
        en="sealing broke off; it will be continued",
    )
