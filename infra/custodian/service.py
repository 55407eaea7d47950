"""The custodian's HTTP interface."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import aiohttp
import structlog
from aiohttp import web

from infra.custodian.identity import Identity, load_or_create, write_synced
from infra.custodian.vault import EVIDENCE_ID, PACKAGE_LIMIT, RefusedError, Vault
from infra.custodian.witness import Witness
from services.common.settings import Settings
from services.evidence.log.notes import parse_vkey
from services.evidence.settings import EvidenceSettings
from services.evidence.verification.trust import TrustMissingError, build_trust, dump_trust
from services.evidence.verification.verifier import read_trust

log = structlog.get_logger()

_NOTE_LIMIT = 64 * 1024
# The connection is read on while a block is being written down.
_READ_AHEAD = 4 << 20


class Custodian:
    """Identity, and once trust is pinned, witness and vault."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._folder = settings, settings.home / "custodian"
        self.identity: Identity = load_or_create(self._folder)
        self._parts: tuple[Witness, Vault] | None = None

    def parts(self) -> tuple[Witness, Vault]:
        """Witness and vault. Raises TrustMissingError while there is nothing to trust.

        The trust file `custodian/trust.json` is put there by the custodian's operator. In the embedded stack,
        which has no such operator, it is pinned from this machine's public keys at first use and then stays.
        """
        if self._parts is None:
            trust = self._pinned_trust()
            witness = Witness(self.identity, parse_vkey(trust["logs"][-1]["vkey"]), self._folder / "witness")
            self._parts = (witness, Vault(self._folder / "store", self.identity, trust))
        return self._parts

    def _pinned_trust(self) -> dict[str, Any]:
        file: Path = self._folder / "trust.json"
        if not file.exists():
            write_synced(file, dump_trust(build_trust(self._settings, EvidenceSettings())))
            log.warning("custodian.trust_pinned_at_first_use", file=str(file), development=True)
        return read_trust(file.read_bytes())


CUSTODIAN = web.AppKey("custodian", Custodian)


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"error": message}, status=status)


async def _add_checkpoint(request: web.Request) -> web.Response:
    try:
        witness, _ = request.app[CUSTODIAN].parts()
    except TrustMissingError as error:
        return _error(503, f"no trust yet: {error}")
    body = await request.read()
    answer = await asyncio.to_thread(witness.add_checkpoint, body)
    return web.Response(status=answer.status, text=answer.body, content_type=answer.content_type)


async def _put_package(request: web.Request) -> web.Response:
    evidence_id = request.match_info["evidence_id"]
    if not EVIDENCE_ID.fullmatch(evidence_id):
        return _error(404, "not an evidence id")
    try:
        _, vault = request.app[CUSTODIAN].parts()
        receipt = await _receive(request, vault, evidence_id)
    except TrustMissingError as error:
        return _error(503, f"no trust yet: {error}")
    except RefusedError as error:
        return _error(error.status, str(error))
    return web.Response(body=receipt, content_type="application/json")


async def _receive(request: web.Request, vault: Vault, evidence_id: str) -> bytes:
    """Write the body down while a thread of its own already verifies what has come; gives the receipt.

    The body may come in chunks (RFC 9112 section 7.1): a sender begins before he knows how a package ends.
    """
    if (request.content_length or 0) > PACKAGE_LIMIT:
        raise RefusedError(413, "too large")
    arrival, own = vault.begin(), ThreadPoolExecutor(1, "take")
    taking = own.submit(vault.take, evidence_id, arrival)
    try:
        async for chunk in request.content.iter_any():
            vault.receive(arrival, chunk)
        arrival.end()
        return await asyncio.wrap_future(taking)
    except aiohttp.ClientPayloadError as error:
        raise RefusedError(400, "the body ends early") from error
    finally:
        # However this ends, no reader is left waiting for bytes that will not come.
        arrival.cut()
        own.submit(arrival.close)
        own.shutdown(wait=False)


async def _get_package(request: web.Request) -> web.StreamResponse:
    try:
        path = request.app[CUSTODIAN].parts()[1].package_of(request.match_info["evidence_id"])
    except TrustMissingError:
        path = None
    if path is None:
        return _error(404, "nothing is kept for this id")
    return web.FileResponse(path, headers={"content-type": "application/wacz+zip"})


async def _get_receipt(request: web.Request) -> web.Response:
    try:
        receipt = request.app[CUSTODIAN].parts()[1].receipt(request.match_info["evidence_id"])
    except TrustMissingError:
        receipt = None
    if receipt is None:
        return _error(404, "nothing is kept for this id")
    return web.Response(body=receipt, content_type="application/json")


async def _identity(request: web.Request) -> web.Response:
    description = request.app[CUSTODIAN].identity.description()
    return web.Response(text=json.dumps(description, ensure_ascii=False), content_type="application/json")


async def _live(_: web.Request) -> web.Response:
    return web.json_response({"status": "live"})


def create_app(settings: Settings) -> web.Application:
    """The HTTP application of the custodian of this installation."""
    app = web.Application(client_max_size=_NOTE_LIMIT, handler_args={"read_bufsize": _READ_AHEAD})
    app[CUSTODIAN] = Custodian(settings)
    app.add_routes(
        [
            web.get("/v1/identity", _identity),
            web.post("/v1/add-checkpoint", _add_checkpoint),
            web.put("/v1/packages/{evidence_id}", _put_package),
            web.get("/v1/packages/{evidence_id}", _get_package),
            web.get("/v1/packages/{evidence_id}/receipt", _get_receipt),
            web.get("/health/live", _live),
            web.get("/health/ready", _live),
        ]
    )
    return app
