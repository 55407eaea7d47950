"""The manifest's JSON Schema: it is one, real manifests fit it, and it and the verifier refuse the same."""

import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from services.evidence.verification.verifier import Failed, parse_manifest
from tests.evidence_matrix.fields import SCHEMA, edited, fields, removed, retyped, written
from tests.evidence_matrix.world import World

SHAPE = Draft202012Validator(SCHEMA)
FIELDS = list(fields())


@pytest.fixture(scope="module")
def statement() -> dict[str, Any]:
    return World(("ed25519",), 1).statement


def refused(statement: Any) -> str | None:
    """Why the verifier refuses the form, None when it does not."""
    try:
        parse_manifest(rfc8785.dumps(statement))
    except Failed as reason:
        return str(reason)
    return None


def test_it_is_a_schema_of_its_draft():
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$id"].startswith("urn:wangjian:capture:v2")
    assert len(FIELDS) > 45


def test_the_honest_manifest_fits(statement):
    SHAPE.validate(statement)
    assert refused(statement) is None


def test_more_fields_may_follow(statement):
    more = json.loads(json.dumps(statement))
    more["predicate"]["later"] = {"x": 1}
    more["predicate"]["target"]["later"] = 1
    SHAPE.validate(more)
    assert refused(more) is None


@pytest.mark.parametrize("place", [place for place, _ in FIELDS], ids=written)
def test_schema_and_verifier_refuse_the_same(statement, place):
    """Each field removed, of another type, edited: both say yes or both say no.

    The subject list is judged by the check `artefacts.set`; order, salts and origins no schema can say.
    """
    if place[0] == "subject":
        return
    beyond_a_schema = ("not in order", "one salt", "derived from")
    spoilt = [retyped(statement, place), edited(statement, place)]
    if isinstance(place[-1], str):
        spoilt.append(removed(statement, place))
    for changed in spoilt:
        reason = refused(changed)
        if reason is not None and any(words in reason for words in beyond_a_schema):
            continue
        assert SHAPE.is_valid(changed) == (reason is None), (written(place), reason)


@given(st.sampled_from([place for place, _ in FIELDS]), st.data())
def test_schema_and_verifier_agree_on_any_value(statement, place, data):
    if place[0] == "subject":
        return
    text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=5)
    numbers = st.integers(-9, 9) | st.sampled_from([0.5, 1e300, -0.5])
    value = data.draw(st.none() | st.booleans() | numbers | text | st.just([]) | st.just({}))
    changed = json.loads(json.dumps(statement))
    holder: Any = changed
    for step in place[:-1]:
        holder = holder[step]
    holder[place[-1]] = value
    reason = refused(changed)
    if reason is not None and any(words in reason for words in ("not in order", "one salt", "derived from")):
        return
    assert SHAPE.is_valid(changed) == (reason is None), (written(place), value, reason)
