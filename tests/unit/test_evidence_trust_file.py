"""Trust files: every way to spoil one is refused, and said why, before anything is judged by it."""

import json

import pytest

from services.evidence.verification.verifier import Unreadable, read_trust
from tests.evidence_matrix.reasons import refusal, trust_refusals
from tests.evidence_matrix.trusts import spoilt
from tests.evidence_matrix.world import World


@pytest.fixture(scope="module")
def world() -> World:
    return World()


SPOILT = spoilt()
REFUSALS = trust_refusals()


@pytest.mark.parametrize(("name", "path", "value"), SPOILT, ids=[name for name, _, _ in SPOILT])
def test_spoilt_trust_files_are_refused(world, name, path, value):
    assert refusal(world, path, value) == REFUSALS[name], "if that is meant: python -m tests.evidence_matrix"


def test_the_refusal_is_told_in_chinese_too():
    with pytest.raises(Unreadable) as caught:
        read_trust(b"{}")
    assert caught.value.zh == "信任文件无法使用"


@pytest.mark.parametrize("data", [b"", b"x", b"[]", b"null", b"\xff", b"{}"])
def test_what_is_no_trust_file(data):
    with pytest.raises(Unreadable):
        read_trust(data)


def test_a_good_trust_file_is_given_back(world):
    document = world.document()
    document["worker_keys"][0] |= {"not_before": "2020-01-01T00:00:00Z", "not_after": "2999-01-01T00:00:00Z"}
    assert read_trust(json.dumps(document).encode()) == document
