"""The evidence service's internal API as a small real peer that keeps everything in memory.

Speaks HTTP on a UNIX socket, checks digests like the real one, and can be told to fail.
"""

import base64
import hashlib
import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.hashes import SM3, Hash
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse

from services.crawler.captures.rules import SEAL_OPS


@dataclass
class EvidencePeer:
    """What the peer holds. `down`: answer 503; `break_after`: end the seal stream after that stage."""

    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    artefacts: dict[str, dict[str, bytes]] = field(default_factory=dict)
    envelopes: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    events: list[tuple[str, str]] = field(default_factory=list)
    down: bool = False
    break_after: str | None = None

    def predicate(self, capture_id: str) -> dict[str, Any]:
        """The predicate of a sealed capture."""
        return dict(json.loads(base64.b64decode(self.envelopes[capture_id]["payload"]))["predicate"])

    def app(self) -> FastAPI:
        """The peer as an application."""
        app = FastAPI()

        @app.middleware("http")
        async def gate(request: Request, call_next: Any) -> Any:
            self.calls[request.method + " " + request.url.path.split("/")[2]] += 1
            if self.down:
                return JSONResponse({"code": "evidence.down", "detail": "停机", "detail_en": "down"}, 503)
            return await call_next(request)

        @app.put("/internal/orders/{order_id}")
        async def order(order_id: str, request: Request) -> dict[str, Any]:
            self.orders.setdefault(order_id, await request.json())
            self.events.append(("order", order_id))
            leaf = hashlib.sha256(order_id.encode()).hexdigest()
            index = list(self.orders).index(order_id)
            return {"log_index": index, "checkpoint": f"peer\n{index + 1}\n{leaf}\n", "leaf_hash": leaf}

        @app.put("/internal/intakes/{capture_id}/artefacts/{path:path}")
        async def artefact(capture_id: str, path: str, request: Request) -> Any:
            data = await request.body()
            sm3 = Hash(SM3())
            sm3.update(data)
            digests = (hashlib.sha256(data).hexdigest(), sm3.finalize().hex())
            if digests != (request.headers["x-sha256"], request.headers["x-sm3"]):
                return JSONResponse({"code": "intake.digest_mismatch", "detail": "x", "detail_en": "x"}, 422)
            known = self.artefacts.setdefault(capture_id, {})
            if known.setdefault(path, data) != data:
                return JSONResponse({"code": "intake.conflict", "detail": "x", "detail_en": "x"}, 409)
            return {"path": path, "bytes": len(data), "sha256": digests[0], "sm3": digests[1]}

        @app.post("/internal/intakes/{capture_id}/seal")
        async def seal(capture_id: str, request: Request) -> StreamingResponse:
            envelope = (await request.json())["envelope"]

            async def lines() -> AsyncIterator[str]:
                known = self.envelopes.setdefault(capture_id, envelope)
                if known != envelope:
                    problem = {
                        "code": "evidence.other_manifest",
                        "status": 409,
                        "detail": "x",
                        "detail_en": "x",
                    }
                    yield json.dumps({"op": "error", "problem": problem}) + "\n"
                    return
                self.events.append(("seal", capture_id))
                sealed = {
                    "evidence_no": f"T-{capture_id}",
                    "package_sha256": "a" * 64,
                    "package_bytes": 1,
                }
                for op in SEAL_OPS:
                    facts = sealed if op == "sealed" else {}
                    yield json.dumps({"op": op, "zh": op, "en": op, "detail": facts, **facts}) + "\n"
                    if op == self.break_after:
                        return
                yield json.dumps({"op": "digested", **sealed, "package_sm3": "b" * 64}) + "\n"

            return StreamingResponse(lines(), media_type="application/x-ndjson")

        return app
