"""Two regions, each with its own database and keys, compare: hashes first, plain values when granted."""

import asyncio
import base64
import copy
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from services.common.identity import Claims
from services.common.settings import Settings
from services.registry.exchange import comparing, repository
from services.registry.exchange.tasks import Comparisons
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

    async def take_hashes(self, exchange: str, envelope: dict[str, Any]) -> tuple[Any, int]:
        """Take hashes in and wait until they are compared; the answer, and how many matches are new."""
        before = await self.matches(exchange)
        taken = await self.take(exchange, envelope)
        digest = hashlib.sha256(base64.b64decode(envelope["payload"])).hexdigest()
        async with asyncio.timeout(20):
            while (await self.comparison(exchange, digest))[0]["state"] != "done":  # noqa: ASYNC110 - no event here
                await asyncio.sleep(0.02)
        return taken, len(await self.matches(exchange)) - len(before)

    async def matches(self, exchange: str) -> list[Any]:
        return list((await self.http.get(f"/link-exchange/{exchange}/matches"))["items"])

    async def comparison(self, exchange: str, digest: str) -> Any:
        """How far the hashes with this digest are compared, and the number of their message."""
        messages = (await self.http.get(f"/link-exchange/{exchange}"))["messages"]
        (one,) = (one for one in messages if (one["direction"], one["digest"]) == ("in", digest))
        return one["comparison"], one["id"]

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


async def agree(ours: Region, theirs: Region) -> str:
    """One more exchange both sides agreed to; gives its number."""
    offer = await ours.http.post("/link-exchange", peer_name="章贡区市场监督管理局", purpose="另一次比对")
    exchange = str(offer["exchange_id"])
    acceptance = await theirs.http.post(
        "/link-exchange/offers",
        envelope=offer["envelope"],
        fingerprint=await ours.fingerprint(exchange),
        **TROUBLE,
    )
    await ours.take(exchange, acceptance["envelope"], fingerprint=await theirs.fingerprint(exchange))
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
    taken, new = await ours.take_hashes(agreed, part["envelope"])
    assert new == 1
    again, new = await ours.take_hashes(agreed, part["envelope"])
    assert again["again"] and again["receipt"] == taken["receipt"] and new == 0
    (match,) = await ours.matches(agreed)
    assert (match["shop_name"], match["kind"]) == ("我方共同", 1)
    dump = await sql(
        ours.links.db,
        "SELECT to_jsonb(m), to_jsonb(c) FROM link_exchange_messages m"
        " LEFT JOIN link_exchange_comparisons c ON c.message_id = m.id",
    )
    assert all(ref not in str(dump) for _, _, ref in payload(part["envelope"])["body"]["rows"])
    (kept,) = await sql(ours.links.db, "SELECT hashes, state FROM link_exchange_comparisons")
    assert (bytes(kept.hashes), kept.state) == (b"", "done")
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
    assert (await theirs.take_hashes(agreed, part["envelope"]))[1] == 1
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


async def test_a_comparison_is_stopped_goes_on_and_survives_a_crash(
    ours: Region, theirs: Region, agreed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shops one by one, so that there is a middle; the work is cut there, and nothing is lost or doubled."""
    monkeypatch.setattr(comparing, "SHOPS_AT_ONCE", 1)
    common = [f"1390000{n:04d}" for n in range(6)]
    for n, phone in enumerate(common):
        await ours.links.shop(HERE, f"我方第{n}家", phone=phone)
        await theirs.links.shop(THERE, f"对方第{n}家", phone=phone)
    for region in (ours, theirs):
        await region.links.link()
    before = len(await ours.matches(agreed))
    jobs = ours.links.app.state.comparisons
    await jobs.stop()  # by hand from here on
    part = await theirs.http.post(f"/link-exchange/{agreed}/hashes")
    await ours.take(agreed, part["envelope"])
    (sealed,) = await sql(ours.links.db, "SELECT hashes FROM link_exchange_comparisons WHERE state = 'open'")
    assert all(
        ref.encode() not in bytes(sealed.hashes) for _, _, ref in payload(part["envelope"])["body"]["rows"]
    )
    for _ in range(4):
        assert await jobs._step()
    told, number = await ours.comparison(agreed, part["digest"])
    assert (told["state"], told["done"]) == ("open", 4) and told["shops"] >= 8
    half = len(await ours.matches(agreed))
    assert before < half < before + len(common)

    async def crash(*_: Any) -> int:
        raise RuntimeError("crash")

    with monkeypatch.context() as broken:  # in the middle of a transaction: as if it had not begun
        broken.setattr(repository, "keep_matches", crash)
        with pytest.raises(RuntimeError, match="crash"):
            await jobs.run()
    assert (await ours.comparison(agreed, part["digest"]))[0]["done"] == 4

    path = f"/link-exchange/{agreed}/messages/{number}/cancellation"
    assert (await ours.links.at(THERE).call("POST", path)).status_code == 404
    stopped = await ours.http.post(path)
    assert (stopped["state"], stopped["done"]) == ("stopped", 4)
    assert not await jobs._step()
    assert len(await ours.matches(agreed)) == half
    (kept,) = await sql(ours.links.db, "SELECT hashes FROM link_exchange_comparisons WHERE state = 'stopped'")
    assert bytes(kept.hashes) == b""

    again = await ours.take(agreed, part["envelope"])
    assert again["again"]
    await Comparisons(ours.links.db, ours.links.app.state.personal).run()  # another process, after a restart
    told, _ = await ours.comparison(agreed, part["digest"])
    assert told["state"] == "done" and told["done"] == told["shops"]
    assert len(await ours.matches(agreed)) == before + len(common)


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


async def test_what_is_being_compared_ends_with_its_exchange(ours: Region, theirs: Region) -> None:
    """By hand, by time, and when they do not open: hashes of another region lie here no longer."""
    for end in ("close", "expire", "damage"):
        exchange = await agree(ours, theirs)
        await ours.links.app.state.comparisons.stop()
        part = await theirs.http.post(f"/link-exchange/{exchange}/hashes")
        await ours.take(exchange, part["envelope"])
        if end == "close":
            assert (await ours.http.call("POST", f"/link-exchange/{exchange}/close")).status_code == 204
        elif end == "damage":
            spoil = "UPDATE link_exchange_comparisons SET hashes = '\\x00' WHERE exchange_id = :id"
            await sql(ours.links.db, spoil, id=exchange)
        else:
            over = "UPDATE link_exchanges SET expires_at = now() - interval '1 day' WHERE id = :id"
            await sql(ours.links.db, over, id=exchange)
        await ours.links.app.state.comparisons.run()
        (kept,) = await sql(
            ours.links.db,
            "SELECT state, hashes FROM link_exchange_comparisons WHERE exchange_id = :id",
            id=exchange,
        )
        assert (kept.state, bytes(kept.hashes)) == ("stopped", b"")
        assert await ours.matches(exchange) == []
