"""Trust files: every way to spoil one is refused before anything is judged by it."""

import copy
import json
from typing import Any

import pytest

from services.evidence.verification.verifier import Unreadable, read_trust
from tests.evidence_matrix.world import World
from tests.evidence_samples import Signers


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def spoilt() -> list[tuple[str, Any]]:
    """Ways to spoil a trust file: path of the member and its new value (… : left out)."""
    other = Signers().trust()
    key = "MCowBQYDK2VwAyEA"
    members: dict[str, list[Any]] = {
        "schema": [..., "urn:wangjian:trust:v1", None],
        "development": [..., None, 1],
        "label": [..., {}, {"zh": "x"}, {"en": "x"}, {"zh": 1, "en": "x"}],
    }
    for role in ("worker_keys", "sealing_keys"):
        members[role] = [..., [], None]
        members[f"{role}.0.keyid"] = [..., "0" * 64]
        members[f"{role}.0.algorithm"] = [..., "rsa", "ecdsa-p256-sha256", "sm2-sm3", None]
        members[f"{role}.1.algorithm"] = ["ed25519", "ecdsa-p256-sha256"]
        members[f"{role}.0.public_key"] = [..., key, "!", None, other["worker_keys"][0]["public_key"]]
        members[f"{role}.1"] = [{"$copy": f"{role}.0"}]
        for name in ("not_before", "not_after", "revoked_at"):
            members[f"{role}.0.{name}"] = [..., "yesterday", "2026-01-01", 7]
    members["tsas"] = [..., None]
    for name in ("certificate", "operator", "chain", "policy_oids"):
        members[f"tsas.0.{name}"] = [..., 7 if name != "chain" else [7]]
    members["tsas.0.policy_oids"].append([1])
    members["logs"] = [..., [], [*other["logs"], *other["logs"]]]
    members["logs.0.origin"] = [..., "other.test/log"]
    members["logs.0.vkey"] = [..., "x", other["witnesses"][0]["vkey"]]
    members["witnesses"] = [..., None]
    members["witnesses.0.vkey"] = [..., "x", other["logs"][0]["vkey"]]
    members["witnesses.0.operator"] = [..., None]
    members["policies"] = [..., [], [{"$copy": "policies.0"}, {"$copy": "policies.0"}]]
    members["policies.0.id"] = [..., 7]
    members["policies.0.suites"] = [..., [], ["national", "international"], ["other"], ["international", "x"]]
    for name in ("tsa_quorum", "witness_quorum", "max_skew_seconds"):
        members[f"policies.0.{name}"] = [..., 0, -1, 1.5, True, "1", None]
    return [(path, value) for path, values in members.items() for value in values]


def _at(document: Any, path: str) -> Any:
    for step in path.split("."):
        document = document[int(step) if step.isdigit() else step]
    return document


@pytest.mark.parametrize(("path", "value"), spoilt(), ids=lambda v: str(v)[:40])
def test_spoilt_trust_files_are_refused(world, path, value):
    document = world.document()
    holder, _, name = path.rpartition(".")
    target = _at(document, holder) if holder else document
    last: Any = int(name) if name.isdigit() else name
    if value is ...:
        del target[last]
    else:
        filled = (
            [_copied(document, item) for item in value]
            if isinstance(value, list)
            else _copied(document, value)
        )
        target[last] = filled
    with pytest.raises(Unreadable, match=r"^the trust file cannot be used: ") as caught:
        read_trust(json.dumps(document).encode())
    assert caught.value.zh == "信任文件无法使用"


def _copied(document: Any, value: Any) -> Any:
    return (
        copy.deepcopy(_at(document, value["$copy"]))
        if isinstance(value, dict) and "$copy" in value
        else value
    )


@pytest.mark.parametrize("data", [b"", b"x", b"[]", b"null", b"\xff", b"{}"])
def test_what_is_no_trust_file(data):
    with pytest.raises(Unreadable):
        read_trust(data)


def test_a_good_trust_file_is_given_back(world):
    document = world.document()
    document["worker_keys"][0] |= {"not_before": "2020-01-01T00:00:00Z", "not_after": "2999-01-01T00:00:00Z"}
    assert read_trust(json.dumps(document).encode()) == document
