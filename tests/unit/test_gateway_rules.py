"""Pure rules of the gateway: passwords, lockout, cookies, headers, merging of lists and documents."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.accounts.roles import ADMINISTRATORS, PERMISSIONS, ROLES, permissions_of
from gateway.accounts.rules import (
    LOCKOUT,
    Tries,
    begin_try,
    check_username,
    failed_try,
    one_time_password,
    region_of,
    track_of,
    weaknesses,
)
from gateway.audit.rules import START, Position, decode, encode, merge
from gateway.audit.schemas import AuditEntry
from gateway.openapi.rules import merged
from gateway.routing.headers import secured
from gateway.routing.table import LIMITS, SEGMENTS, limits_for, segment_of
from gateway.sessions.rules import (
    COOKIE,
    Limits,
    cookie_secret,
    cross_site,
    csrf_matches,
    csrf_token,
    ending_of,
    new_secret,
    set_cookie,
)
from gateway.system.schemas import Part
from gateway.system.service import jail_of
from services.common.problems import Problem

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ROLE_SETS = st.frozensets(st.sampled_from(sorted(ROLES)))


@pytest.mark.parametrize(
    ("password", "accepted"),
    [
        ("Lotus-Pond-27-rain", True),
        ("莲花池塘-Rain-2027-x", True),
        ("Short-1a", False),
        ("onlysmallletterslong", False),
        ("onlysmallletters12345678", False),
        ("Li_Lei-Password-2027", False),
        ("Xx-li_lei-99-Xx-yy", False),
        ("Aa1!Aa1!Aa1!Aa1!", False),
        ("Tab\there-Lotus-27", False),
        ("L0tus-" + "x" * 130, False),
    ],
)
def test_the_password_policy(password: str, accepted: bool) -> None:
    assert (not weaknesses(password, "li_lei")) == accepted


@given(st.integers(0, 50))
def test_one_time_passwords_meet_the_policy(_: int) -> None:
    word = one_time_password()
    assert not weaknesses(word, "somebody") and len(word) == 19


@pytest.mark.parametrize("name", ["ab", "1abc", "a b c", "abc.", "_abc", "abc/../x", "管理员", "a" * 65])
def test_bad_user_names_are_refused(name: str) -> None:
    with pytest.raises(Problem):
        check_username(name)


def test_user_names_are_kept_small() -> None:
    assert check_username(" Li.Lei ") == "li.lei"


@pytest.mark.parametrize("code", ["36012-SJ", "360121", "360121-sj", "360121-SJ-x", "", "x" * 300])
def test_bad_organisation_codes_are_refused(code: str) -> None:
    with pytest.raises(Problem):
        region_of(code)


# --- lockout ---


@given(st.lists(st.tuples(st.integers(0, 3600 * 13), st.booleans()), max_size=60))
def test_never_more_than_five_looks_within_any_lock(steps: list[tuple[int, bool]]) -> None:
    """Whatever the pauses and parallel tries: at most five looks in a row, then none for thirty minutes."""
    tries, now, looks_in_a_row = Tries(0, NOW, None), NOW, 0
    locked_until: datetime | None = None
    for pause, finishes in steps:
        now += timedelta(seconds=pause)
        before = tries
        tries, may = begin_try(tries, now)
        if locked_until is not None and now < locked_until:
            assert not may and tries == before
            continue
        if tries.failures == 1 and may:
            looks_in_a_row = 0
        if may:
            looks_in_a_row += 1
            assert looks_in_a_row <= LOCKOUT.failures
            if finishes:  # otherwise the process died, or a parallel try has not come back yet
                tries = failed_try(tries, now)
        if tries.locked_until is not None:
            locked_until = tries.locked_until
            assert locked_until == now + LOCKOUT.lasts


def test_a_lock_that_ran_out_starts_from_zero() -> None:
    tries, may = begin_try(Tries(5, NOW, NOW + timedelta(minutes=30)), NOW + timedelta(minutes=30))
    assert may and tries.failures == 1 and tries.locked_until is None


# --- roles ---


@given(ROLE_SETS)
def test_whatever_may_be_held_together_never_joins_two_duties(roles: frozenset[str]) -> None:
    try:
        track_of(roles)
    except Problem as problem:
        assert problem.code == "role.separation"
        tracks = {ROLES[code].track for code in roles}
        assert len(roles & ADMINISTRATORS) > 1 or len(tracks) > 1
        return
    held = permissions_of(roles)
    assert len(held & {"user:manage", "role:grant", "audit:read"}) <= 1
    if roles & ADMINISTRATORS:
        assert not {p for p in held if p.split(":")[0] in {"capture", "evidence", "clue", "case", "registry"}}


def test_every_permission_in_use_has_a_name_and_every_name_a_use() -> None:
    used = frozenset().union(*(role.permissions for role in ROLES.values()))
    assert used == PERMISSIONS.keys()
    assert permissions_of(frozenset({"no-such-role"})) == frozenset()
    for segment in SEGMENTS.values():
        assert segment.any_of <= PERMISSIONS.keys()


# --- sessions ---


@given(st.integers(0, 40 * 60), st.integers(0, 10 * 3600))
def test_a_session_never_outlives_its_limits(rested: int, lasted: int) -> None:
    limits = Limits()
    now = NOW + timedelta(seconds=max(lasted, rested))
    ending = ending_of(
        last_seen=now - timedelta(seconds=rested), expires=NOW + limits.absolute, now=now, limits=limits
    )
    alive = rested < 15 * 60 and max(lasted, rested) < 8 * 3600
    assert (ending is None) == alive


def test_the_cookie_is_bound_to_this_host() -> None:
    secret = new_secret()
    line = set_cookie(secret)
    assert line.startswith("__Host-") and "Domain" not in line
    for flag in ("Path=/", "Secure", "HttpOnly", "SameSite=Strict"):
        assert flag in line
    assert cookie_secret(f"a=b; {COOKIE}={secret}; c=d") == secret
    assert cookie_secret(f"{COOKIE}={secret}; {COOKIE}={secret}") is None
    assert cookie_secret(f"x{COOKIE}={secret}") is None and cookie_secret(f"{COOKIE}=short") is None


@given(st.text(max_size=80))
def test_no_other_text_is_a_csrf_token(text: str) -> None:
    secret = "s" * 43
    assert csrf_matches(secret, text) == (text == csrf_token(secret))


@pytest.mark.parametrize(
    ("method", "origin", "site", "refused"),
    [
        ("POST", "http://127.0.0.1:8080", "same-origin", False),
        ("POST", "http://127.0.0.1:8080", None, False),
        ("POST", None, None, False),
        ("GET", None, "none", False),
        ("POST", None, "none", True),
        ("GET", None, "cross-site", True),
        ("GET", None, "same-site", True),
        ("POST", "http://127.0.0.1:8081", None, True),
        ("POST", "http://127.0.0.1:8080.evil.example", None, True),
        ("POST", "null", None, True),
        ("POST", "file://", None, True),
        ("POST", "", None, True),
    ],
)
def test_cross_site_requests(method: str, origin: str | None, site: str | None, refused: bool) -> None:
    assert cross_site(method=method, host="127.0.0.1:8080", origin=origin, fetch_site=site) == refused


# --- headers ---

NAMES = st.sampled_from(
    [b"content-type", b"content-security-policy", b"cache-control", b"x-frame-options", b"server", b"etag"]
)


@given(
    st.lists(st.tuples(NAMES, st.sampled_from([b"x", b"sandbox", b"default-src *", b"public"])), max_size=8),
    st.sampled_from(["api", "page", "asset", "open"]),
)
def test_the_security_headers_cannot_be_taken_away(headers: list[tuple[bytes, bytes]], kind: str) -> None:
    answer = secured(headers, kind=kind, https=True, request_id="R1")  # type: ignore[arg-type]
    names = [name for name, _ in answer]
    for name in (
        b"x-content-type-options",
        b"x-frame-options",
        b"strict-transport-security",
        b"x-request-id",
    ):
        assert names.count(name) == 1
    assert b"content-security-policy" in names and b"server" not in names
    for name, value in answer:
        if name == b"content-security-policy":
            assert value.startswith((b"default-src 'none'", b"sandbox"))
    if kind == "api":
        assert (b"cache-control", b"no-store") in answer and names.count(b"cache-control") == 1


def test_the_route_table() -> None:
    assert segment_of("/api/captures/1") == "captures" and segment_of("/internal/x") == ""
    assert segment_of("/apix/captures") == "" and segment_of("/") == ""
    assert [limit.name for limit in limits_for("POST", "/api/captures")] == ["capture"]
    assert limits_for("GET", "/api/captures") == [] == limits_for("POST", "/api/captures/1/cancel")
    assert [limit.name for limit in limits_for("GET", "/api/evidence/1/package")] == ["export"]
    assert len({limit.name for limit in LIMITS}) == len(LIMITS)


# --- audit pages over several services ---


def entry(source: str, seq: int, second: int) -> AuditEntry:
    return AuditEntry(
        source=source, seq=seq, at=f"2026-11-21T00:{second // 60:02}:{second % 60:02}.000000Z", actor="a",
        actor_name="", org_code="", roles=[], event="x.y", object_type="x", object_id="1", result="success",
        before=None, after=None, request_id="", client_ip="",
    )  # fmt: skip


@given(
    st.dictionaries(
        st.sampled_from(["gateway", "evidence", "casework"]),
        st.lists(st.integers(0, 30), max_size=12),
        min_size=1,
    ),
    st.integers(1, 5),
)
def test_paging_over_services_loses_and_doubles_nothing(seconds: dict[str, list[int]], limit: int) -> None:
    logs = {
        source: [entry(source, seq, second) for seq, second in enumerate(sorted(times), 1)]
        for source, times in seconds.items()
    }
    position: Position = dict.fromkeys(logs, START)
    got: list[AuditEntry] = []
    for _ in range(60):
        found, more = {}, set()
        for source, before in position.items():
            older = [e for e in reversed(logs[source]) if e.seq < before]
            found[source] = older[:limit]
            if len(older) > limit:
                more.add(source)
        page = merge(found, position, limit, more)
        got += page.items
        cursor = encode(page.position)
        if cursor is None:
            break
        position = decode(cursor)
    assert sorted((e.source, e.seq) for e in got) == sorted(
        (e.source, e.seq) for log in logs.values() for e in log
    )
    assert [e.at for e in got] == sorted((e.at for e in got), reverse=True)


def test_a_bent_cursor_is_refused() -> None:
    from services.common.paging import encode_cursor

    for values in ([1], ["gateway", "x"], ["gateway", -1], [3, 4], ["gateway", 1, "evidence"]):
        with pytest.raises(Problem):
            decode(encode_cursor(list(values)))


# --- the browser's jail ---


@pytest.mark.parametrize(
    ("workers", "state"),
    [
        (["namespace"], "ok"),
        (["namespace", "proxy-only"], "degraded"),
        (["something-new"], "degraded"),
        ([], "down"),
    ],
)
def test_the_weakest_jail_counts(workers: list[str], state: str) -> None:
    detail = {"capture": {"ok": True, "workers": [{"name": "w", "jail": jail} for jail in workers]}}
    crawler = Part(name="crawler", zh="", en="", state="ok", line_zh="", line_en="", detail=detail)
    told = jail_of(crawler)
    assert told is not None and told.state == state
    assert jail_of(crawler.model_copy(update={"detail": {}})) is None


# --- one document ---


def test_documents_merge_without_mixing_schemas_up() -> None:
    def document(path: str, field: str) -> dict[str, object]:
        ref = {"$ref": "#/components/schemas/Item"}
        answer = {"200": {"description": "", "content": {"application/json": {"schema": ref}}}, "422": {}}
        return {
            "paths": {path: {"post": {"responses": answer}}, "/internal/x": {"get": {"responses": {}}}},
            "components": {"schemas": {"Item": {"type": "object", "properties": {field: {}}}}},
        }

    whole = merged({"crawler": document("/captures", "a"), "evidence": document("/evidence", "b")})
    assert set(whole["paths"]) == {"/api/captures", "/api/evidence"}
    assert {"CrawlerItem", "EvidenceItem", "Problem"} == set(whole["components"]["schemas"])
    operation = whole["paths"]["/api/evidence"]["post"]
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/EvidenceItem"}
    assert operation["operationId"] == "post_evidence" and "422" not in operation["responses"]
    assert "application/problem+json" in operation["responses"]["default"]["content"]
    assert [p["name"] for p in operation["parameters"]] == ["X-CSRF-Token"]


def test_the_platforms_document_is_whole_and_made_offline() -> None:
    """As `python -m gateway.openapi` makes it: no database, no process, every reference resolves."""
    import json

    from gateway.app import create_inner
    from gateway.openapi.service import build

    document = build(create_inner())
    text = json.dumps(document)
    names = set(document["components"]["schemas"])
    for part in text.split('"#/components/schemas/')[1:]:
        assert part.split('"')[0] in names
    assert {"/api/session", "/api/captures", "/api/evidence/{evidence_id}", "/api/clues"} <= set(
        document["paths"]
    )
    assert not [path for path in document["paths"] if "/internal" in path]
    ids = [o["operationId"] for path in document["paths"].values() for o in path.values()]
    assert len(ids) == len(set(ids))
    assert document["openapi"] == "3.1.0"
