"""Canonical JSON gives the library's bytes, whichever way it takes."""

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from services.common.canonical import canonical

_TEXT = st.text(st.characters(exclude_categories=("Cs",)))
_SCALARS = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | _TEXT
_VALUES = st.recursive(
    _SCALARS | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(_TEXT, inner),
    max_leaves=30,
)


@given(_VALUES)
def test_every_value_has_the_bytes_of_the_standard(value):
    assert canonical(value) == rfc8785.dumps(value)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ({"b": 1.0, "a": 1e21}, b'{"a":1e+21,"b":1}'),
        ({"\ufb33": 1, "\U0001f600": 2}, '{"\U0001f600":2,"\ufb33":1}'.encode()),
        ('\u20ac$\u000f\nA\'B"\\\\"/', b'"\xe2\x82\xac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'),
        ("\x7f\u2028", '"\x7f\u2028"'.encode()),
    ],
)
def test_published_cases(value, written):
    assert canonical(value) == written


@pytest.mark.parametrize("value", [2**53, float("nan"), float("inf"), {"a": [float("-inf")]}, "\ud800"])
def test_what_has_no_canonical_form_is_refused(value):
    with pytest.raises(ValueError):
        canonical(value)
