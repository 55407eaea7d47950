"""The evidence service as other services see it: the only module of it they may import."""

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import httpx

from services.common.client import ServiceClient
from services.common.problems import Problem
from services.common.settings import Settings

_SEAL_TIMEOUT = httpx.Timeout(600.0, connect=5.0)
_UPLOAD_TIMEOUT = httpx.Timeout(120.0, connect=5.0)


class EvidenceClient:
    """Calls to the evidence service as `caller`. Every call may be repeated; each raises Problem."""

    def __init__(self, settings: Settings, *, caller: str = "crawler") -> None:
        self._client = ServiceClient(settings, caller=caller, target="evidence")

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def put_order(self, evidence_id: str, order: dict[str, Any]) -> dict[str, Any]:
        """Log an order; gives {log_index, checkpoint, leaf_hash}; the checkpoint is the capture's beacon."""
        response = await self._client.request("PUT", f"/internal/orders/{evidence_id}", json=order)
        return dict(response.json())

    async def put_artefact(
        self,
        evidence_id: str,
        path: str,
        content: AsyncIterator[bytes] | bytes,
        *,
        media_type: str,
        sha256: str,
        sm3: str,
    ) -> dict[str, Any]:
        """Hand in one artefact; gives {path, bytes, sha256, sm3}. sha256, sm3: lowercase hex."""
        response = await self._client.request(
            "PUT",
            f"/internal/intakes/{evidence_id}/artefacts/{quote(path)}",
            content=content,
            headers={"content-type": media_type, "x-sha256": sha256, "x-sm3": sm3},
            timeout=_UPLOAD_TIMEOUT,
        )
        return dict(response.json())

    async def seal(self, evidence_id: str, envelope: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """Seal; gives a line for each stage, the last `sealed`. Raises the Problem of an `error` line."""
        path = f"/internal/intakes/{evidence_id}/seal"
        async with self._client.stream(
            "POST", path, json={"envelope": envelope}, timeout=_SEAL_TIMEOUT
        ) as response:
            async for text in response.aiter_lines():
                line: dict[str, Any] = json.loads(text)
                if line["op"] == "error":
                    raise Problem.from_document(line["problem"], int(line["problem"]["status"]))
                yield line
