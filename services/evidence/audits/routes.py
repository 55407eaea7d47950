"""Auditing over HTTP."""

import json
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from services.common import audit as audit_record
from services.common.identity import Claims, require
from services.evidence.audits.service import Audit
from services.evidence.runtime import EvidenceRuntime

router = APIRouter(tags=["证据核查 audits"])


@router.get("/evidence-audits", response_class=StreamingResponse)
async def audit_evidence(
    claims: Annotated[Claims, Depends(require("integrity:audit"))],
    runtime: EvidenceRuntime,
    after: Annotated[str, Query(pattern=r"^([0-9A-HJKMNP-TV-Z]{26})?$")] = "",
) -> StreamingResponse:
    """核查证据完整性 · compare everything that is kept; one JSON line a step, closing it stops the audit."""
    work = Audit(runtime)
    async with runtime.database.transaction() as session:
        event = "evidence.audited"
        await audit_record.record(
            session, claims, event=event, object_type="evidence", object_id=after or "*"
        )

    async def lines() -> AsyncIterator[bytes]:
        async for line in work.run(after):
            yield json.dumps(line, ensure_ascii=False).encode() + b"\n"

    return StreamingResponse(lines(), media_type="application/x-ndjson")
