"""Two regions, each with its own database and keys, compare: hashes first, plain values when granted."""

import base64
import copy
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from services.common.identity import Claims
from services.common.settings import Settings
from tests.records_world import sql
from tests.registry_links_world import HERE, PERMISSIONS, THERE, Links, running_links

COMMON, ONLY_OURS, ONLY_THEIRS = "13970795555", "13970796666", "13970797777"
TROUBLE = {"purpose": "联合执法核查"}


class Region:
    """One region's officer at its own installation."""

    def __init__(self, links: Links, claims: Claims) -> None:
        self.links, self.claims = links, claims
        self.http = links.at(claims)

    async def fingerprint(self, exchange: str) -> str:
        return str((await self.http.get(f"/link-exchange/{exchange}"))["exchange"]["own_fingerprint"])

    async def take(self, exchange: str, envelope: dict[str, Any], **more: str) -> Any:
        return await self.http.post(f"/link-exchange/{exchange}/messages", envelope=envelope, **more)

    async def refuses(self, exchange: str, envelope: dict[str, Any], code: str, **more: str) -> None:
        answer = await self.http.call(
            "POST", f"/link-exchange/{exchange}/messages", json={"envelope": envelope, **more}
        )
        assert answer.json().get("code") == code, answer.text


@pytest.fixture(scope="module")
async def ours(
    make_settings: Callable[..., Settings], token_for: Callable[[Claims], dict[str, str]]
) -> AsyncIterator[Region]:
    async with running_links(make_settings, token_for) as links:
        yield Region(links, HERE)


@pytest.fixture(scope="module")
async def theirs(
    make_settings: Callable[..., Settings],
    token_for: Callable[[Claims], dict[str, str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Region]:
    """Another installation: its own database and its own signing key."""
    home: Path = tmp_path_factory.mktemp("other-region")

    def settings(*services: str) -> Settings:
        return make_settings(*services)

    async with running_links(settings, token_for) as links:
        own = links.app.state.settings.model_copy(update={"home": home})
        links.app.state.settings = own
        yield Region(links, THERE)


@pytest.fixture(scope="module")
async def agreed(ours: Region, theirs: Region) -> str:
    """Shops on both sides, and an exchange both agreed to; gives its number."""
    await ours.links.shop(HERE, "我方共同", phone=COMMON, qq="99887766")
    await ours.links.shop(HERE, "我方独有", phone=ONLY_OURS)
    await theirs.links.shop(THERE, "对方共同", phone=f"+86 {COMMON}", platform="淘宝")
    await theirs.links.shop(THERE, "对方独有", phone=ONLY_THEIRS)
    for region in (ours, theirs):
        await region.links.link()
    offer = await ours.http.post("/link-exchange", peer_name="章贡区市场监督管理局", purpose="串货线索")
    exchange = str(offer["exchange_id"])
    wrong = await theirs.http.call(
        "POST",
        "/link-exchange/offers",
        json={"envelope": offer["envelope"], "fingerprint": "0" * 16, **TROUBLE},
    )
    assert wrong.json()["code"] == "exchange.fingerprint"
    given = {"envelope": offer["envelope"], "fingerprint": await ours.fingerprint(exchange), **TROUBLE}
    acceptance = await theirs.http.post("/link-exchange/offers", **given)
    assert (await theirs.http.post("/link-exchange/offers", **given)) == acceptance  # the same again
    await ours.refuses(exchange, acceptance["envelope"], "exchange.fingerprint", fingerprint="f" * 16)
    print_ = await theirs.fingerprint(exchange)
    taken = await ours.take(exchange, acceptance["envelope"], fingerprint=print_[:20].upper())
    assert taken["type"] == "acceptance" and not taken["again"]
    await theirs.take(exchange, taken["receipt"])
    return exchange


def payload(envelope: dict[str, Any]) -> dict[str, Any]:
    return dict(json.loads(base64.b64decode(envelope["payload"])))


async def test_only_matches_come_out_and_plain_values_only_when_granted(
    ours: Region, theirs: Region, agreed: str
) -> None:
    part = await theirs.http.post(f"/link-exchange/{agreed}/hashes")
    assert part["rows"] == 2 and part["next_after"] is None
    text = json.dumps(payload(part["envelope"]), ensure_ascii=False)
    for secret in (COMMON, ONLY_THEIRS, "对方共同", "对方独有"):
        assert secret not in text
    taken = await ours.take(agreed, part["envelope"])
    assert taken["matched"] == 1
    again = await ours.take(agreed, part["envelope"])
    assert again["again"] and again["receipt"] == taken["receipt"]
    (match,) = (await ours.http.get(f"/link-exchange/{agreed}/matches"))["items"]
    assert (match["shop_name"], match["kind"]) == ("我方共同", 1)
    dump = await sql(ours.links.db, "SELECT to_jsonb(m) FROM link_exchange_messages m")
    assert all(ref not in str(dump) for _, _, ref in payload(part["envelope"])["body"]["rows"])
    assert (await ours.http.get("/findings", code="exchange.match"))["items"][0]["shops"][0][
        "name"
    ] == "我方共同"

    request = await ours.http.post(
        f"/link-exchange/{agreed}/requests", matches=[match["id"]], purpose="2026 串货案调查"
    )
    assert (await theirs.take(agreed, request["envelope"]))["type"] == "request"
    (asked,) = (await theirs.http.get(f"/link-exchange/{agreed}"))["requests"]
    assert (asked["state"], asked["purpose"], asked["count"]) == ("open", "2026 串货案调查", 1)
    path = f"/link-exchange/{agreed}/requests/{asked['id']}"
    answer = await theirs.http.post(f"{path}/answer", grant=True, reason="同意协查")
    assert COMMON not in json.dumps(payload(answer["envelope"])) and "对方共同" not in str(answer)
    twice = await theirs.http.call("POST", f"{path}/answer", json={"grant": True, "reason": "再次"})
    assert twice.json()["code"] == "exchange.state"
    await ours.take(agreed, answer["envelope"])
    plain = await ours.http.post(f"{path}/reveal", purpose="2026 串货案调查")
    (shop,) = plain["shops"]
    assert (shop["name"], shop["platform"], shop["ref"]) == ("对方共同", "淘宝", match["ref"])
    assert [value["raw"] for value in shop["values"]] == [f"+86 {COMMON}"]
    for region, events in (
        (ours, {"exchange.values_requested", "exchange.values_revealed"}),
        (theirs, {"exchange.hashes_sent", "exchange.values_granted"}),
    ):
        rows = await sql(region.links.db, "SELECT event, after FROM audit WHERE object_id = :id", id=agreed)
        assert events <= {row.event for row in rows} and COMMON not in str(rows)


async def test_a_refused_request_gives_nothing(ours: Region, theirs: Region, agreed: str) -> None:
    part = await ours.http.post(f"/link-exchange/{agreed}/hashes")
    assert (await theirs.take(agreed, part["envelope"]))["matched"] == 1
    (match,) = (await theirs.http.get(f"/link-exchange/{agreed}/matches"))["items"]
    request = await theirs.http.post(
        f"/link-exchange/{agreed}/requests", matches=[match["id"]], purpose="例行核对"
    )
    await ours.take(agreed, request["envelope"])
    asked = payload(request["envelope"])["body"]["request_id"]
    answer = await ours.http.post(
        f"/link-exchange/{agreed}/requests/{asked}/answer", grant=False, reason="无案件依据"
    )
    assert "sealed" not in payload(answer["envelope"])["body"]
    await theirs.take(agreed, answer["envelope"])
    looked = await theirs.http.call(
        "POST", f"/link-exchange/{agreed}/requests/{asked}/reveal", json={"purpose": "看看"}
    )
    assert looked.status_code == 404


async def test_forged_moved_and_early_messages_are_refused(ours: Region, theirs: Region, agreed: str) -> None:
    part = await theirs.http.post(f"/link-exchange/{agreed}/hashes")
    forged = copy.deepcopy(part["envelope"])
    body = payload(forged)
    body["body"]["rows"][0][2] = "A" * 16
    forged["payload"] = base64.b64encode(json.dumps(body).encode()).decode()
    await ours.refuses(agreed, forged, "exchange.untrusted")
    await theirs.refuses(agreed, part["envelope"], "exchange.untrusted")  # our own message is not theirs
    for nonsense in ({}, {"payloadType": "x"}, {**part["envelope"], "payload": "!"}):
        await ours.refuses(agreed, nonsense, "exchange.untrusted")
    other = await ours.http.post("/link-exchange", peer_name="另一地区", purpose="另案")
    await ours.refuses(str(other["exchange_id"]), part["envelope"], "exchange.untrusted")
    early = await ours.http.call("POST", f"/link-exchange/{other['exchange_id']}/hashes", json={})
    assert early.json()["code"] == "exchange.state"


async def test_an_exchange_is_its_regions_own(ours: Region, agreed: str) -> None:
    stranger = ours.links.at(THERE)
    assert (await stranger.get("/link-exchange"))["items"] == []
    for path in ("", "/matches"):
        assert (await stranger.call("GET", f"/link-exchange/{agreed}{path}")).status_code == 404
    reader = Claims(
        "u-x", "只读", "360121-SJ", "县局", "360121", permissions=PERMISSIONS - {"registry:exchange"}
    )
    assert (await ours.links.at(reader).call("GET", "/link-exchange")).status_code == 403


async def test_a_closed_exchange_has_no_secrets_left(ours: Region, theirs: Region, agreed: str) -> None:
    part = await theirs.http.post(f"/link-exchange/{agreed}/hashes")
    await sql(
        ours.links.db,
        "UPDATE link_exchanges SET expires_at = now() - interval '1 day' WHERE id = :id",
        id=agreed,
    )
    assert (await ours.http.call("POST", f"/link-exchange/{agreed}/hashes", json={})).json()[
        "code"
    ] == "exchange.expired"
    assert (await ours.http.call("POST", f"/link-exchange/{agreed}/close")).status_code == 204
    (row,) = await sql(ours.links.db, "SELECT sealed FROM link_exchanges WHERE id = :id", id=agreed)
    assert bytes(row.sealed) == b""
    await ours.refuses(agreed, part["envelope"], "exchange.state")
