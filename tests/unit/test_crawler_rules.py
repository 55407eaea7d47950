"""Pure decisions of the crawler: addresses, URLs, outcomes, tiles, canonical values."""

import itertools
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from services.common.problems import Problem
from services.crawler.captures.rules import backoff_seconds, normalise_url
from services.crawler.egress.ledger import Connection
from services.crawler.egress.rules import (
    Target,
    allowed_by_name,
    first_refusal,
    literal,
    parse_authority,
    port_refused,
    refusal_of,
)
from services.crawler.recording.archive import surt
from services.crawler.recording.judge import Observed, judge
from services.crawler.recording.network import original_bytes
from services.crawler.recording.pictures import tile_plan
from services.crawler.recording.tidy import tidy
from services.crawler.recording.visit import is_download

GREW = {"stop_reason": "max_height", "grew": 9}
V4 = st.integers(0, 2**32 - 1).map(IPv4Address)
V6 = st.integers(0, 2**128 - 1).map(IPv6Address)
# Written down here a second time, from the registries, so that a slip in the product's table shows.
PRIVATE_V4 = [
    ip_network(net)
    for net in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/3",
    )
]  # fmt: skip


@given(V4)
def test_every_special_ipv4_range_is_refused_and_the_rest_is_not(address: IPv4Address) -> None:
    if any(address in net for net in PRIVATE_V4) or not address.is_global:
        assert refusal_of(address)
    elif not address.is_reserved and address not in ip_network("192.88.99.0/24"):
        assert refusal_of(address) is None


@given(st.sampled_from(PRIVATE_V4).flatmap(lambda n: st.integers(int(n[0]), int(n[-1]))).map(IPv4Address))
def test_no_way_to_write_a_private_ipv4_in_ipv6(address: IPv4Address) -> None:
    number = int(address)
    for prefix, shift in (("::ffff:0:0", 0), ("64:ff9b::", 0), ("2002::", 80), ("::", 0)):
        assert refusal_of(IPv6Address(int(IPv6Address(prefix)) | number << shift)), prefix


@given(V6)
def test_only_global_unicast_ipv6_is_dialled(address: IPv6Address) -> None:
    if address not in IPv6Network("2000::/3"):
        assert refusal_of(address)


@pytest.mark.parametrize(
    "text", ["1.1.1.1", "223.5.5.5", "114.114.114.114", "2400:3200::1", "2606:4700::1111"]
)
def test_public_addresses_pass(text: str) -> None:
    assert refusal_of(ip_address(text)) is None


@given(st.lists(V4, min_size=1), V4.filter(lambda a: refusal_of(a) is not None), st.data())
def test_one_bad_answer_refuses_the_name(
    good: list[IPv4Address], bad: IPv4Address, data: st.DataObject
) -> None:
    answers = [*good]
    answers.insert(data.draw(st.integers(0, len(good))), bad)
    assert first_refusal(answers) is not None


def test_names_and_ports_are_allowed_only_together() -> None:
    allow = [("shop.localhost", 8081), ("*.market.localhost", 8081), ("::1", 80)]
    assert allowed_by_name(Target("shop.localhost", 8081), allow)
    assert allowed_by_name(Target("a.market.localhost", 8081), allow)
    assert allowed_by_name(Target("::1", 80), allow)
    others = ("localhost", "evilshop.localhost", "market.localhost", "evilmarket.localhost")
    assert not any(allowed_by_name(Target(host, 8081), allow) for host in others)
    assert not allowed_by_name(Target("shop.localhost", 8082), allow)


def test_ports() -> None:
    assert [p for p in (22, 25, 80, 110, 443, 445, 1024, 6379, 8080) if port_refused(p)] == [22, 25, 110, 445]


@given(st.text(max_size=30))
def test_authority_is_parsed_or_refused(text: str) -> None:
    try:
        target = parse_authority(text, 443)
    except ValueError:
        return
    assert target.host and 0 < target.port < 65536
    assert not any(c in target.host for c in "/@\\ ")
    assert parse_authority(target.authority, 1) == target


def test_literals_are_only_full_forms() -> None:
    assert literal("[::1]") == IPv6Address("::1")
    for text in ("127.1", "0x7f.0.0.1", "2130706433", "localhost"):
        assert literal(text) is None


@pytest.mark.parametrize(
    ("pasted", "kept"),
    [
        ("shop.example.com", "https://shop.example.com/"),
        ("  http://Shop.Example.COM:80/a b".replace(" b", "%20b"), "http://shop.example.com:80/a%20b"),
        ("localhost:8081/item/1", "https://localhost:8081/item/1"),
        ("//a.cn/x?q=1#top", "https://a.cn/x?q=1#top"),
        ("https://商城.中国/商品", "https://xn--wgv71a.xn--fiqs8s/商品".replace("xn--wgv71a", "xn--ehqz56n")),
        ("http://[2400:3200::1]:8080/", "http://[2400:3200::1]:8080/"),
    ],
)
def test_addresses_as_officers_paste_them(pasted: str, kept: str) -> None:
    if "商城" in pasted:
        assert normalise_url(pasted).startswith("https://xn--")
    else:
        assert normalise_url(pasted) == kept


@given(st.text(max_size=80))
def test_any_text_is_a_web_address_or_a_problem(text: str) -> None:
    try:
        url = normalise_url(text)
    except Problem as problem:
        assert (problem.status, problem.code) == (422, "capture.url_refused")
        assert problem.todo_zh and problem.todo_en
        return
    assert url.startswith(("http://", "https://"))
    assert normalise_url(url) == url


@pytest.mark.parametrize(
    "scheme", ["file", "FILE", "chrome", "javascript", "data", "about", "blob", "view-source", "ws"]
)
def test_other_schemes_are_refused(scheme: str) -> None:
    with pytest.raises(Problem):
        normalise_url(f"{scheme}:///etc/passwd")


def test_a_page_without_flaw_is_complete() -> None:
    assert judge(Observed(http_status=200)).state == "COMPLETE"
    note = judge(Observed(http_status=503))
    assert note.state == "COMPLETE" and note.reason and note.reason.code == "http.503"


@pytest.mark.parametrize(
    ("seen", "state", "code"),
    [
        (Observed(http_status=200, hung=True), "PARTIAL", "page.script_hung"),
        (Observed(http_status=200, limit="bytes", hung=True), "PARTIAL", "size.limit"),
        (Observed(http_status=200, scroll=GREW), "PARTIAL", "page.endless"),
        (Observed(http_status=200, picture_cut=True), "PARTIAL", "page.too_tall"),
        (Observed(http_status=200, images_waiting=1), "PARTIAL", "resources.missing"),
        (Observed(http_status=200, missing=[{"what": "Image"}]), "PARTIAL", "resources.missing"),
        (Observed(http_status=200, missing=[{"what": "XHR"}]), "COMPLETE", None),
        (Observed(http_status=200, crashed=True), "FAILED", "browser.crashed"),
        (Observed(http_status=200, download_complete=True), "PARTIAL", "page.download"),
        (Observed(http_status=200, download_complete=False), "PARTIAL", "page.download_cut"),
        (Observed(timed_out=True), "FAILED", "load.timeout"),
        (Observed(net_error="ERR_CERT_DATE_INVALID"), "FAILED", "tls.certificate"),
        (Observed(net_error="ERR_SSL_PROTOCOL_ERROR"), "FAILED", "tls.handshake"),
        (Observed(net_error="ERR_SOMETHING_NEW"), "FAILED", "load.failed"),
        (Observed(forbidden=True), "BLOCKED", "redirect.refused"),
    ],
)  # fmt: skip
def test_outcomes(seen: Observed, state: str, code: str | None) -> None:
    outcome = judge(seen)
    assert (outcome.state, outcome.reason.code if outcome.reason else None) == (state, code)
    if outcome.reason:
        assert outcome.reason.zh and outcome.reason.en


@pytest.mark.parametrize(
    ("verdict", "reason", "state", "code"),
    [
        ("refused", "private 10.0.0.5", "BLOCKED", "address.private"),
        ("refused", "link_local 169.254.169.254", "BLOCKED", "address.link_local"),
        ("refused", "port", "BLOCKED", "port.refused"),
        ("dns_failed", "no answer", "FAILED", "dns.failed"),
        ("connect_failed", "timeout", "FAILED", "connection.failed"),
        ("limit", "time", "FAILED", "load.timeout"),
    ],
)
def test_the_proxys_word_comes_before_the_browsers(verdict: str, reason: str, state: str, code: str) -> None:
    connection = Connection(0, "shop.cn", 443, "tunnel", verdict=verdict, reason=reason)  # type: ignore[arg-type]
    outcome = judge(Observed(net_error="ERR_TUNNEL_CONNECTION_FAILED", connection=connection))
    assert (outcome.state, outcome.reason.code if outcome.reason else "") == (state, code)


@given(st.integers(0, 100_000), st.integers(1, 50_000), st.integers(1, 20_000))
def test_tiles_cover_the_picture_without_gap(height: int, most: int, tile: int) -> None:
    tiles = tile_plan(height, most, tile)
    assert tiles[0][0] == 0 and all(0 < h <= tile for _, h in tiles)
    assert all(a[0] + a[1] == b[0] for a, b in itertools.pairwise(tiles))
    assert tiles[-1][0] + tiles[-1][1] == max(1, min(height, most))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(st.characters(codec=None)),
        lambda c: st.lists(c) | st.dictionaries(st.text(st.characters(codec=None)), c),
    )
)
def test_whatever_a_page_says_becomes_canonical_json(value: object) -> None:
    written = rfc8785.dumps(tidy(value))
    assert b"\\u0000" not in written


@given(st.text(), st.sampled_from(["utf-8", "gb18030", "utf-8-sig"]))
def test_text_bodies_get_their_bytes_back(text: str, charset: str) -> None:
    data = text.encode(charset)
    back, exact = original_bytes(text, [charset], len(data))
    assert exact and back == data


def test_a_body_that_cannot_be_proven_is_marked() -> None:
    assert original_bytes("价格", ["utf-8"], 5) == ("价格".encode(), False)


@pytest.mark.parametrize(
    ("headers", "file"),
    [
        ({"content-type": "text/html; charset=gbk"}, False),
        ({"content-type": "text/html", "content-disposition": "attachment; filename=x"}, True),
        ({"content-type": "text/html", "content-disposition": "inline"}, False),
        ({"content-type": "application/zip"}, True),
        ({"content-type": "application/pdf"}, True),
        ({"content-type": "image/webp"}, False),
        ({}, False),
    ],
)
def test_files_are_told_from_pages(headers: dict[str, str], file: bool) -> None:
    listed = [{"name": name, "value": value} for name, value in headers.items()]
    assert is_download({"responseStatusCode": 200, "responseHeaders": listed}) is file
    assert not is_download({"responseStatusCode": 404, "responseHeaders": listed})


def test_waiting_grows_to_a_minute() -> None:
    assert [backoff_seconds(n) for n in (0, 1, 2, 6, 100)] == [0, 2, 4, 60, 60]


def test_index_keys() -> None:
    assert surt("http://Shop.Example.cn/a?b=1") == "cn,example,shop)/a?b=1"
    assert surt("http://127.0.0.1:81/") == "127.0.0.1:81)/"
