"""Proofs shown to a custodian before the rest of a package: faster later, and nothing more than faster."""

import io
import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from infra.custodian.identity import load_or_create
from infra.custodian.vault import RefusedError, Vault
from services.evidence.custodian import CustodianClient
from services.evidence.verification.verifier import log, manifest, signatures, verify
from tests.evidence_forger import ENVELOPE, PROOF, STAMP, Sample, regions

WITHIN = 20
REMEMBERED = (signatures.verify_signature, log._verify, manifest._parsed)


@pytest.fixture(scope="module")
def sample() -> Sample:
    return Sample()


@pytest.fixture(autouse=True)
def _fresh():
    _forget()
    yield
    _forget()


def _forget() -> None:
    for check in REMEMBERED:
        check.cache_clear()


def _shown(sample: Sample) -> bytes:
    """What the service shows: the envelope, laid out as a package of itself."""
    return sample.pack({name: sample.files[name] for name in (ENVELOPE, "datapackage.json")})


def _take(vault: Vault, item: str, package: bytes) -> bytes:
    with ThreadPoolExecutor(1) as threads, vault.begin() as arrival:
        taking = threads.submit(vault.take, item, arrival)
        arrival.receive(package)
        arrival.end()
        return taking.result(WITHIN)


def _item(sample: Sample) -> str:
    return verify(io.BytesIO(sample.bytes), sample.trust)["evidence_id"]


def _flipped(package: bytes, at: int) -> bytes:
    changed = bytearray(package)
    changed[at] ^= 1
    return bytes(changed)


def test_a_preview_is_remembered_and_keeps_nothing(sample, tmp_path):
    vault = Vault(tmp_path / "store", load_or_create(tmp_path / "identity"), sample.trust)
    vault.preview(_shown(sample))
    assert not [file for file in (tmp_path / "store").rglob("*") if file.is_file()]
    before = [check.cache_info().misses for check in REMEMBERED]
    assert all(before[:1] + before[2:]), "the signatures and the manifest were looked at"
    verify(io.BytesIO(sample.bytes), sample.trust)
    after = [check.cache_info().misses for check in REMEMBERED]
    assert (after[0], after[2]) == (before[0], before[2]), "and not once more"
    assert all(check.cache_info().hits for check in REMEMBERED)


@pytest.mark.parametrize("name", [ENVELOPE, STAMP, PROOF])
def test_bytes_changed_after_the_preview_are_found(sample, name):
    """Also in a package whose descriptors fit the changed file, as a careful forger's do."""
    assert sample.failed(sample.bytes) == set(), "all of it is remembered now"
    chosen = random.Random(7).sample(range(len(sample.files[name])), 60)
    for at in chosen:
        forged = sample.pack({**sample.files, name: _flipped(sample.files[name], at)})
        remembering = sample.failed(forged)
        _forget()
        assert remembering == sample.failed(forged), f"{name} byte {at}"
        assert remembering
        sample.failed(sample.bytes)


def test_the_control_a_memory_of_less_than_all_bytes_would_be_caught(sample, monkeypatch):
    real, passed = signatures.verify_signature, set()

    def by_key_alone(algorithm: str, public_der: bytes, signature: bytes, message: bytes) -> None:
        if public_der not in passed:
            real(algorithm, public_der, signature, message)
        passed.add(public_der)

    monkeypatch.setattr(signatures, "verify_signature", by_key_alone)
    sample.failed(sample.bytes)
    envelope = sample.files[ENVELOPE]
    at = envelope.index(b'"sig":"') + 12
    other = b"A" if envelope[at : at + 1] != b"A" else b"B"
    forged = sample.pack({**sample.files, ENVELOPE: envelope[:at] + other + envelope[at + 1 :]})
    wrong = sample.failed(forged)
    monkeypatch.undo()
    assert "signature.worker" in sample.failed(forged) - wrong


@pytest.mark.parametrize("name", [ENVELOPE, STAMP])
def test_a_custodian_that_saw_genuine_proofs_refuses_changed_ones(sample, tmp_path, name):
    vault = Vault(tmp_path / "store", load_or_create(tmp_path / "identity"), sample.trust)
    vault.preview(_shown(sample))
    changed = {**sample.files, name: _flipped(sample.files[name], len(sample.files[name]) // 2)}
    with pytest.raises(RefusedError, match="not valid"):
        _take(vault, _item(sample), sample.pack(changed))
    assert _take(vault, _item(sample), sample.bytes)


def test_what_failed_is_not_remembered_and_spoils_nothing(sample, tmp_path):
    vault = Vault(tmp_path / "store", load_or_create(tmp_path / "identity"), sample.trust)
    for at in range(0, len(_shown(sample)), 97):
        vault.preview(_flipped(_shown(sample), at))
    vault.preview(b"")
    vault.preview(b"PK no package at all")
    assert _take(vault, _item(sample), sample.bytes)


def test_trust_is_asked_each_time(sample):
    """A key that is no longer trusted, or was revoked meanwhile, is refused though its signature is known."""
    assert sample.failed(sample.bytes) == set()
    trust = sample.signers.trust()
    for key in trust["worker_keys"]:
        key["revoked_at"] = "2000-01-01T00:00:00Z"
    assert sample.failed(sample.bytes, sample.trusted(trust)) == {"keys.validity"}
    trust["worker_keys"] = trust["sealing_keys"]
    assert "signature.worker" in sample.failed(sample.bytes, sample.trusted(trust))


def test_regions_of_all_files_are_checked_as_before(sample):
    """One flipped bit in each file of a package that was verified a moment ago."""
    sample.failed(sample.bytes)
    for place in regions(sample.bytes)[0].values():
        if len(place):
            assert sample.failed(_flipped(sample.bytes, place[len(place) // 2]))


async def test_a_custodian_who_is_away_gets_no_preview_and_nobody_minds(tmp_path, sample):
    client = CustodianClient(f"unix:{tmp_path / 'nobody'}", None)  # type: ignore[arg-type]
    client.pinned = type("Pinned", (), {"name": "nobody"})()
    await client.preview("0" * 26, _shown(sample))
    await client.close()
