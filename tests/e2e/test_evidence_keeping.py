"""`wangjian log` and `wangjian evidence audit` against the whole running platform, through its door."""

import json

import pytest

pytestmark = [pytest.mark.stack, pytest.mark.slow]


def test_an_untouched_platform_is_in_order(stack):
    checked = stack.command("log", "fsck", "--json")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    found = json.loads(checked.stdout)
    assert (found["way"], found["findings"], found["refusal"]) == ("database", [], None)
    seen = stack.command("log", "reconcile", "--json")
    assert seen.returncode == 0, seen.stdout + seen.stderr
    assert json.loads(seen.stdout)["missing"]["count"] == 0
    audited = stack.command("evidence", "audit", "--json")
    assert audited.returncode == 0, audited.stdout + audited.stderr
    assert json.loads(audited.stdout)["findings"] == []
