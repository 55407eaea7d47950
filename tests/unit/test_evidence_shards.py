"""A beacon of an earlier shard: accepted when the trust file lists that log earlier, with the empty proof."""

import pytest

from services.evidence.log.notes import Checkpoint, log_key, sign_checkpoint
from services.evidence.log.proofs import format_consistency
from tests.evidence_matrix.world import CONSISTENCY, Attempt, World
from tests.evidence_samples import Signers

OLD = "wangjian.test/log/old"


@pytest.mark.parametrize(
    ("place", "proof", "failed"),
    [
        (0, format_consistency(0, 0, []), []),
        (1, format_consistency(0, 0, []), ["beacon.checkpoint", "beacon.consistency", "time.order"]),
        (0, format_consistency(7, 5, []), ["beacon.consistency"]),
        (0, format_consistency(0, 0, [b"x" * 32]), ["beacon.consistency"]),
    ],
)
def test_a_beacon_of_another_shard(place, proof, failed):
    world, old = World(("ed25519",), 1), Signers().log
    beacon = sign_checkpoint(Checkpoint(OLD, 7, b"r" * 32), old)
    made = world.insider(lambda p, s: p["times"].update(beacon_checkpoint=beacon)).data
    package = world.repack({**World.unzip(made), CONSISTENCY: proof})
    shard = {"origin": OLD, "vkey": log_key(OLD, old).vkey}
    attempt = world.trusting(lambda t: t["logs"].insert(place, shard), package)
    report = world.report(Attempt(attempt.data, attempt.trust))
    assert sorted(c["code"] for c in report["checks"] if not c["ok"]) == failed
    assert (report["verdict"] == "VALID") is (failed == [])
