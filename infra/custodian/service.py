"""The custodian's HTTP interface: its own client at `/v1/…`, others at `/clients/<name>/v1/…`."""

import asyncio
import base64
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import aiohttp
from aiohttp import web

from infra.custodian.clients import CLIENT_NAME, Client
from infra.custodian.identity import Identity, load_or_create
from infra.custodian.settings import CustodianSettings
from infra.custodian.vault import EVIDENCE_ID, PACKAGE_LIMIT, TAKEN_AT_ONCE, RefusedError, Vault
from infra.custodian.witness import parse_request
from services.common.canonical import canonical
from services.common.settings import Settings
from services.evidence.verification.trust import TrustMissingError

_NOTE_LIMIT = 256 * 1024
# The connection is read on while a block is being written down.
_READ_AHEAD = 4 << 20
# Its bytes come no faster than they are verified: receiving and sending would take the processor from that.
_MOST_AHEAD = 16 << 20
_MOMENT = 0.005
_MOST_RECEIPTS = 1000
_MOST_RANGES = 64
_MOST_CHALLENGED = 64 << 20
_TAKING = ThreadPoolExecutor(TAKEN_AT_ONCE, "take")


class Custodian:
    """Identity and clients of one custodian."""

    def __init__(self, settings: Settings, own: CustodianSettings) -> None:
        self._folder: Path = own.folder(settings)
        self._pin_from = settings if own.development else None
        self.identity: Identity = load_or_create(self._folder, own)
        self._clients: dict[str, Client] = {}

    def client(self, name: str = "") -> Client | None:
        """A client by name; the unnamed one's files lie directly in the custodian's folder."""
        if name not in self._clients:
            folder = self._folder / "clients" / name
            if name and not (CLIENT_NAME.fullmatch(name) and folder.is_dir()):
                return None
            place, pin = (folder, None) if name else (self._folder, self._pin_from)
            self._clients[name] = Client(place, self.identity, pin)
        return self._clients[name]

    def close(self) -> None:
        """Close all files."""
        for client in self._clients.values():
            client.close()


CUSTODIAN = web.AppKey("custodian", Custodian)


def _client(request: web.Request) -> Client:
    found = request.app[CUSTODIAN].client(request.match_info.get("client", ""))
    if found is None:
        raise RefusedError(404, "unknown client")
    return found


def _vault(request: web.Request) -> Vault:
    return _client(request).vault()


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"error": message}, status=status)


@web.middleware
async def _refusals(request: web.Request, handler: aiohttp.typedefs.Handler) -> web.StreamResponse:
    """Every refusal as its status with one line of JSON."""
    try:
        return await handler(request)
    except TrustMissingError as error:
        return _error(503, f"no trust yet: {error}")
    except RefusedError as error:
        return _error(error.status, str(error))


async def _add_checkpoint(request: web.Request) -> web.Response:
    client, body = _client(request), await request.read()
    try:
        asked = parse_request(body)
    except ValueError as error:
        return web.Response(status=400, text=f"{error}\n")
    answer = await asyncio.to_thread(client.add_checkpoint, asked)
    return web.Response(status=answer.status, text=answer.body, content_type=answer.content_type)


async def _get_checkpoint(request: web.Request) -> web.Response:
    witness = _client(request).witness(request.query.get("origin", ""))
    if witness is None or witness.last_note is None:
        raise RefusedError(404, "no checkpoint of such a log was cosigned")
    return web.Response(text=witness.last_note, content_type="text/plain", charset="utf-8")


async def _put_package(request: web.Request) -> web.Response:
    evidence_id = request.match_info["evidence_id"]
    if not EVIDENCE_ID.fullmatch(evidence_id):
        raise RefusedError(404, "not an evidence id")
    receipt = await _receive(request, _vault(request), evidence_id)
    return web.Response(body=receipt, content_type="application/json")


async def _preview(request: web.Request) -> web.Response:
    vault, proofs = _vault(request), await request.read()
    await asyncio.wrap_future(_TAKING.submit(vault.preview, proofs))
    return web.Response(status=204)


async def _receive(request: web.Request, vault: Vault, evidence_id: str) -> bytes:
    """Write the body down while a thread of its own already verifies what has come; gives the receipt.

    The body may come in chunks (RFC 9112 section 7.1): a sender begins before he knows how a package ends.
    """
    if (request.content_length or 0) > PACKAGE_LIMIT:
        raise RefusedError(413, "too large")
    arrival = vault.begin()
    taking = _TAKING.submit(vault.take, evidence_id, arrival)
    try:
        async for chunk in request.content.iter_any():
            vault.receive(arrival, chunk)
            while arrival.ahead > _MOST_AHEAD and not taking.done():  # noqa: ASYNC110 - threads are ahead
                await asyncio.sleep(_MOMENT)
        arrival.end()
        return await asyncio.wrap_future(taking)
    except (aiohttp.ClientPayloadError, ConnectionResetError) as error:
        raise RefusedError(400, "the body ends early") from error
    finally:
        # However this ends, no reader is left waiting for bytes that will not come.
        arrival.cut()
        taking.add_done_callback(lambda _: _TAKING.submit(arrival.close))


async def _list_packages(request: web.Request) -> web.Response:
    limit = request.query.get("limit", "100")
    if not limit.isascii() or not limit.isdigit() or not 1 <= int(limit) <= _MOST_RECEIPTS:
        raise RefusedError(400, f"limit must be 1 to {_MOST_RECEIPTS}")
    found, more = await asyncio.to_thread(
        _vault(request).receipts_after, request.query.get("after", ""), int(limit)
    )
    body = b'{"more":' + (b"true" if more else b"false") + b',"receipts":[' + b",".join(found) + b"]}"
    return web.Response(body=body, content_type="application/json")


async def _get_package(request: web.Request) -> web.StreamResponse:
    path = _vault(request).package_of(request.match_info["evidence_id"])
    if path is None or not path.exists():
        raise RefusedError(404, "nothing is kept for this id")
    return web.FileResponse(path, headers={"content-type": "application/wacz+zip"})


async def _get_receipt(request: web.Request) -> web.Response:
    receipt = _vault(request).receipt(request.match_info["evidence_id"])
    if receipt is None:
        raise RefusedError(404, "nothing is kept for this id")
    return web.Response(body=receipt, content_type="application/json")


async def _challenge(request: web.Request) -> web.Response:
    vault, evidence_id = _vault(request), request.match_info["evidence_id"]
    try:
        asked = json.loads(await request.read())
        nonce = bytes.fromhex(asked["nonce"])
        ranges = [(int(start), int(length)) for start, length in asked["ranges"]]
        if not 16 <= len(nonce) <= 64 or not 1 <= len(ranges) <= _MOST_RANGES:
            raise ValueError("nonce of 16 to 64 bytes, 1 to 64 ranges")
        if sum(length for _, length in ranges) > _MOST_CHALLENGED:
            raise ValueError("at most 64 MiB in one challenge")
    except (ValueError, KeyError, TypeError) as error:
        raise RefusedError(400, f"not a challenge: {error}") from error
    answers = await asyncio.to_thread(vault.answer, evidence_id, nonce, ranges)
    body = canonical({"evidence_id": evidence_id, "sha256": answers})
    return web.Response(body=body, content_type="application/json")


async def _succeed(request: web.Request) -> web.Response:
    client = _client(request)
    try:
        given = json.loads(await request.read())
        entry, proof = base64.b64decode(given["entry"], validate=True), str(given["proof"])
    except (ValueError, KeyError, TypeError) as error:
        raise RefusedError(400, f"not a succession: {error}") from error
    key = await asyncio.to_thread(client.succeed, entry, proof)
    return web.json_response({"origin": key.name, "vkey": key.vkey})


async def _identity(request: web.Request) -> web.Response:
    description = request.app[CUSTODIAN].identity.description()
    return web.Response(text=json.dumps(description, ensure_ascii=False), content_type="application/json")


async def _live(_: web.Request) -> web.Response:
    return web.json_response({"status": "live"})


async def _close(app: web.Application) -> None:
    app[CUSTODIAN].close()


def create_app(settings: Settings, own: CustodianSettings | None = None) -> web.Application:
    """The HTTP application of one custodian; without settings of its own, that of this installation."""
    app = web.Application(
        client_max_size=_NOTE_LIMIT, handler_args={"read_bufsize": _READ_AHEAD}, middlewares=[_refusals]
    )
    app[CUSTODIAN] = Custodian(settings, own or CustodianSettings())
    for base in ("", "/clients/{client}"):
        app.add_routes(
            [
                web.post(base + "/v1/add-checkpoint", _add_checkpoint),
                web.get(base + "/v1/checkpoint", _get_checkpoint),
                web.post(base + "/v1/logs", _succeed),
                web.get(base + "/v1/packages", _list_packages),
                web.put(base + "/v1/packages/{evidence_id}", _put_package),
                web.get(base + "/v1/packages/{evidence_id}", _get_package),
                web.get(base + "/v1/packages/{evidence_id}/receipt", _get_receipt),
                web.post(base + "/v1/packages/{evidence_id}/challenge", _challenge),
                web.post(base + "/v1/packages/{evidence_id}/preview", _preview),
            ]
        )
    app.add_routes(
        [web.get("/v1/identity", _identity), web.get("/health/live", _live), web.get("/health/ready", _live)]
    )
    app.on_cleanup.append(_close)
    return app
