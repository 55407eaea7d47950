"""The small parts of log, custodian and audit: proofs as text, journal, truth, gaps, the command."""

import datetime as dt
import json
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.custodian.journal import Journal
from services.evidence.audits import rules as audits
from services.evidence.log import tiles
from services.evidence.log.merkle import MerkleTree, is_consistent, leaf_hash
from services.evidence.log.notes import Checkpoint
from services.evidence.log.proofs import format_consistency, format_proof, parse_proof
from services.evidence.reconciliations.rules import Findings, Shown, find_leaves, find_truth, grown

hashes = st.lists(st.binary(min_size=32, max_size=32), max_size=40)
NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


@given(st.integers(0, 10**15), hashes, st.text(min_size=1).filter(lambda text: "\n\n" not in text))
def test_proofs_round_trip(index, proof, note):
    assert parse_proof(format_proof(index, proof, note)) == (index, proof, note)


@given(st.text())
def test_a_text_that_is_no_proof_is_refused(text):
    with pytest.raises(ValueError):
        parse_proof(text)


@pytest.mark.parametrize("index", ["01", "-1", "1 ", "٣", "1" * 17])
def test_an_index_has_one_form(index):
    with pytest.raises(ValueError):
        parse_proof(f"c2sp.org/tlog-proof@v1\nindex {index}\n\nnote")


@given(st.integers(1, 300), st.integers(1, 300))
def test_the_consistency_file_says_what_the_tree_proves(one, other):
    old, new = sorted((one, other))
    tree = MerkleTree()
    for number in range(new):
        tree.append(leaf_hash(b"%d" % number))
    said = json.loads(format_consistency(old, new, tree.consistency_proof(old, new)))
    assert (said["old"], said["new"], said["v"]) == (old, new, 1)
    import base64

    proof = [base64.b64decode(item) for item in said["hashes"]]
    assert is_consistent(old, tree.root(old), new, tree.root(new), proof)


@given(st.lists(st.binary(max_size=300), max_size=30), st.data())
def test_bundles_round_trip_and_a_cut_one_is_refused(entries, data):
    bundle = tiles.bundle(entries)
    assert tiles.parse_bundle(bundle) == entries
    if bundle:
        cut = data.draw(st.integers(1, len(bundle) - 1)) if len(bundle) > 1 else 1
        try:
            assert tiles.parse_bundle(bundle[:cut]) != entries
        except ValueError as error:
            assert "ends inside" in str(error)


@given(notes=st.lists(st.text(min_size=1), min_size=1, max_size=5), cut=st.integers(1, 40))
def test_a_journal_cut_short_by_a_crash_keeps_all_that_was_answered(tmp_path_factory, notes, cut):
    file = tmp_path_factory.mktemp("journal") / "j"
    journal = Journal(file)
    for note in notes:
        journal.append(note)
    journal.close()
    whole = file.read_bytes()
    unfinished = b"500\n" + b"x" * cut
    file.write_bytes(whole + unfinished)
    again = Journal(file)
    assert again.last == notes[-1]
    again.append("next")
    again.close()
    last = Journal(file)
    assert last.last == "next"
    last.close()


# --- what there is to get back to --------------------------------------------------------------------------

LEAVES = [b"leaf %d" % number for number in range(20)]


def head(count: int, leaves: list[bytes] = LEAVES) -> Checkpoint:
    return Checkpoint("t/log", count, grown(leaves[:count]).root())


def shown(by: str, count: int, leaves: list[bytes] = LEAVES) -> Shown:
    return Shown(by, "note", head(count, leaves))


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20))
def test_the_truth_is_what_the_witnesses_saw_or_what_extends_it(database, published, witnessed):
    own, tree = shown("database", database), grown(LEAVES[:published])
    truth = find_truth([shown("w", witnessed)], shown("published", published), own, tree)
    assert truth.head.size == max(published, witnessed)


def test_published_files_that_contradict_a_witness_are_not_the_truth():
    other = [b"other %d" % number for number in range(20)]
    truth = find_truth([shown("w", 10)], shown("published", 15, other), shown("db", 15, other), grown(other))
    assert (truth.by, truth.head.size) == ("w", 10)


@given(st.integers(0, 19), st.sets(st.integers(0, 19)))
def test_only_the_very_tree_the_witnesses_saw_counts_as_whole(size, holes):
    truth = shown("w", 20)
    published = [None if index in holes else leaf for index, leaf in enumerate(LEAVES)]
    rows = {index: LEAVES[index] for index in range(size)}
    found = Findings(rows, truth, find_leaves(truth.head, rows, published))
    lost = {index for index in holes if index >= size}
    assert found.whole == (not lost)
    assert set(found.lost) == lost
    wrong = Findings(rows, truth, find_leaves(truth.head, rows, [b"x", *published[1:]]))
    assert not wrong.whole or size == 20


# --- the audit's decisions ---------------------------------------------------------------------------------


@given(st.sets(st.integers(1, 200)), st.integers(0, 200))
def test_gaps_are_exactly_the_numbers_nobody_has(numbers, last):
    gaps = audits.number_gaps(numbers, last)
    assert set(gaps).isdisjoint(numbers)
    assert set(gaps) | numbers == set(range(1, max([last, *numbers]) + 1))


def times(**changes) -> audits.Times:
    given = {
        "captured": NOW,
        "created": NOW,
        "stamps": [(NOW, NOW)],
        "cosigned": [NOW],
        "sealed": NOW,
        "stored": [NOW],
    }
    return audits.Times(**{**given, **changes})


def test_times_that_agree_give_no_finding():
    assert list(audits.check_times(times())) == []
    later = NOW + dt.timedelta(hours=3)
    assert list(audits.check_times(times(stamps=[(later, later)], cosigned=[later], sealed=later))) == []
    assert audits.check_event_time(NOW, "stamped", NOW, NOW, NOW) is None


@pytest.mark.parametrize("name", ["captured", "created", "sealed"])
@pytest.mark.parametrize("days", [1, -1])
def test_a_day_is_seen_where_someone_else_signed_a_time(name, days):
    found = list(audits.check_times(times(**{name: NOW + days * DAY})))
    # Being earlier than the stamp is what captured and created honestly are.
    assert bool(found) == (name == "sealed" or days == 1)
    for event in ("stamped", "viewed"):
        assert audits.check_event_time(NOW + days * DAY, event, NOW, NOW, NOW)


def test_a_clock_that_goes_back_shows_in_the_checkpoints():
    told = [audits.Signed(n, NOW + n * DAY, NOW + n * DAY) for n in (1, 2, 3)]
    assert list(audits.Timeline(told).jumps()) == []
    told.append(audits.Signed(4, NOW + DAY, NOW + DAY))
    assert len(list(audits.Timeline(told).jumps())) == 1
    ahead = audits.Timeline([audits.Signed(1, NOW + DAY, NOW)])
    assert len(list(ahead.jumps())) == 1


def test_every_finding_has_words_in_both_languages():
    for code in ("log.entry.gap", *audits.CODES):
        line = audits.Finding(code).line()
        assert line["zh"] and line["en"]


# --- the command -------------------------------------------------------------------------------------------


def wangjian(*arguments: object, home) -> subprocess.CompletedProcess[str]:
    program = "import sys; from wangjian.cli import main; sys.argv[0] = 'wangjian'; main()"
    env = {**os.environ, "WANGJIAN_HOME": str(home)}
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=env, check=False)


def test_the_auditors_command_says_which_way_it_went(tmp_path):
    tree = grown(LEAVES)
    tiles.publish(tmp_path, tiles.all_tiles(tree, lambda a, b: LEAVES[a:b], 0, 20))
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from services.evidence.log.notes import sign_checkpoint

    (tmp_path / "checkpoint").write_text(sign_checkpoint(head(20), Ed25519PrivateKey.generate()))
    good = wangjian("log", "fsck", "--folder", tmp_path, home=tmp_path)
    assert good.returncode == 0, good.stderr
    assert "no database" in good.stdout
    assert "no --trust" in good.stdout, "what was not checked is said"
    bundle = tmp_path / "tile" / tiles.tile_path("entries", 0, 20)
    bundle.write_bytes(bundle.read_bytes().replace(b"leaf 7", b"leaf 8"))
    bad = wangjian("log", "fsck", "--folder", tmp_path, "--json", home=tmp_path)
    assert bad.returncode == 1
    assert {item["code"] for item in json.loads(bad.stdout)["findings"]} == {
        "tile.differs",
        "checkpoint.root",
    }


@pytest.mark.parametrize(
    "arguments",
    [
        ("log", "fsck", "--folder", "/nowhere"),
        ("log", "fsck"),
        ("log", "reconcile", "--apply"),
        ("log", "freeze", "--reason", "r"),
        ("evidence", "audit"),
    ],
)
def test_without_a_platform_there_is_one_clear_line_and_code_2(tmp_path, arguments):
    run = wangjian(*arguments, home=tmp_path)
    assert run.returncode == 2
    assert len(run.stderr.splitlines()) == 1, run.stderr
    assert run.stderr.startswith("wangjian: ")
