"""Independent oracles over whole packages: OpenSSL, py-wacz, vectors of Certificate Transparency."""

import base64
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from services.common.dsse import pae
from services.evidence.verification.verifier import tree
from tests.evidence_matrix.batches import batch
from tests.evidence_matrix.world import ENVELOPE, World

_RECIPE = r"""
set -e
(echo wangjian:dsse-signatures:v1; jq -r '.signatures[]|"\(.keyid) \(.sig)"' manifest.dsse.json) > message
openssl ts -verify -data message -in tst-0.tsr -CAfile ca.pem
"""


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def run(*command: str, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


# --- signatures -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("algorithms", "place", "options"),
    [
        (
            ("ed25519", "sm2-sm3"),
            0,
            ["pkeyutl", "-verify", "-pubin", "-rawin", "-inkey", "k", "-in", "m", "-sigfile", "s"],
        ),
        (("ecdsa-p256-sha256",), 0, ["dgst", "-sha256", "-verify", "k", "-signature", "s", "m"]),
        (
            ("ed25519", "sm2-sm3"),
            1,
            ["dgst", "-sm3", "-verify", "k", "-signature", "s", "-sigopt", "distid:1234567812345678", "m"],
        ),
        (
            ("ed25519", "sm2-sm3"),
            3,
            ["dgst", "-sm3", "-verify", "k", "-signature", "s", "-sigopt", "distid:1234567812345678", "m"],
        ),
    ],
)
def test_openssl_verifies_every_signature_of_a_package(tmp_path, algorithms, place, options):
    world = World(algorithms, 1)
    envelope = json.loads(world.files[ENVELOPE])
    signer = [*world.signers.workers, *world.signers.sealers][place]
    message = pae(envelope["payloadType"], base64.b64decode(envelope["payload"]))
    body = base64.encodebytes(signer.public_der).decode()
    (tmp_path / "k").write_text(f"-----BEGIN PUBLIC KEY-----\n{body}-----END PUBLIC KEY-----\n")
    (tmp_path / "m").write_bytes(message)
    (tmp_path / "s").write_bytes(base64.b64decode(envelope["signatures"][place]["sig"]))
    assert "erified" in run("openssl", *options, cwd=tmp_path).replace("Signature Verified", "Verified")
    (tmp_path / "m").write_bytes(message + b" ")
    assert "ailure" in run("openssl", *options, cwd=tmp_path)


# --- time stamps ------------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
def test_the_documented_shell_lines_verify_a_stamp_with_nothing_of_ours(world, tmp_path):
    for name, data in world.files.items():
        (tmp_path / name.rpartition("/")[2]).write_bytes(data)
    (tmp_path / "ca.pem").write_bytes(world.signers.tsas[0].ca.public_bytes(Encoding.PEM))
    assert "Verification: OK" in run("sh", "-c", _RECIPE, cwd=tmp_path)
    (tmp_path / "ca.pem").write_bytes(world.signers.tsas[1].ca.public_bytes(Encoding.PEM))
    assert "Verification: OK" not in run("sh", "-c", _RECIPE, cwd=tmp_path)


def test_openssl_verifies_a_stamp_over_a_batchs_root(world, tmp_path):
    envelope = world.signers.sign(b"{}")
    files, document = batch(world, envelope)
    lines = "".join(f"{s['keyid']} {s['sig']}\n" for s in envelope["signatures"])
    leaf = tree.leaf_hash(f"wangjian:dsse-signatures:v1\n{lines}".encode())
    path = [base64.b64decode(item) for item in document["hashes"]]
    root = tree.root_of_path(leaf, document["index"], document["size"], path)
    text = f"wangjian:stamp-batch:v1\n{document['size']}\n{base64.b64encode(root).decode()}\n"
    (tmp_path / "text").write_text(text)
    (tmp_path / "r.tsr").write_bytes(files["evidence/tst-0.tsr"])
    (tmp_path / "ca.pem").write_bytes(world.signers.tsas[0].ca.public_bytes(Encoding.PEM))
    command = ("openssl", "ts", "-verify", "-data", "text", "-in", "r.tsr", "-CAfile", "ca.pem")
    assert "Verification: OK" in run(*command, cwd=tmp_path)
    (tmp_path / "text").write_text(text.replace("\n5\n", "\n6\n"))
    assert "Verification: OK" not in run(*command, cwd=tmp_path)


# --- container --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["two suites", "batch stamped", "redacted"])
def test_wacz_validate_accepts_every_form_of_a_package(world, tmp_path, kind):
    file = tmp_path / "p.wacz"
    file.write_bytes(
        {
            "two suites": lambda: world.package,
            "batch stamped": lambda: world.seal(
                world.statement, stamps=lambda e: {**world.stamps(e), **batch(world, e)[0]}
            ),
            "redacted": lambda: world.redacted(["evidence/page.png", "evidence/dom.html"]).data,
        }[kind]()
    )
    program = "from wacz.main import main; main()"
    told = run(sys.executable, "-c", program, "validate", "-f", str(file), cwd=tmp_path)
    assert "the passed WACZ is valid" in told, told


# --- the tree ---------------------------------------------------------------------------------------------

# Of the Certificate Transparency reference implementation (RFC 6962), in the tests of every log since.
_LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
_ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    4: "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    6: "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}
_PATHS = {
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
}
_GROWTH = {
    (1, 8): _PATHS[0, 8],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


def test_published_vectors_of_certificate_transparency():
    leaves = [tree.leaf_hash(bytes.fromhex(item)) for item in _LEAVES]
    for size, root in _ROOTS.items():
        assert tree.tree_root(leaves[:size]).hex() == root
    for (index, size), path in _PATHS.items():
        found = tree.root_of_path(leaves[index], index, size, list(map(bytes.fromhex, path)))
        assert found.hex() == _ROOTS[size]
    for (old, new), path in _GROWTH.items():
        roots = [bytes.fromhex(_ROOTS[size]) for size in (old, new)]
        tree.check_consistency(old, roots[0], new, roots[1], list(map(bytes.fromhex, path)))
