"""Signed notes, checkpoints and cosignatures: c2sp.org/signed-note, /tlog-checkpoint, /tlog-cosignature."""

import base64
import hashlib
import struct
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ED25519 = 0x01
COSIGNATURE_V1 = 0x04


class NoteError(ValueError):
    """The text is not a well-formed note, checkpoint or key."""


@dataclass(frozen=True)
class NoteKey:
    """A named public key; `kind` is the signed-note signature type byte."""

    name: str
    kind: int
    public: Ed25519PublicKey

    @property
    def raw(self) -> bytes:
        """The 32 bytes of the public key."""
        return self.public.public_bytes(Encoding.Raw, PublicFormat.Raw)

    @property
    def key_id(self) -> bytes:
        """First four bytes of SHA-256(name || LF || type || key)."""
        material = self.name.encode() + b"\n" + bytes([self.kind]) + self.raw
        return hashlib.sha256(material).digest()[:4]

    @property
    def vkey(self) -> str:
        """`<name>+<hex key id>+<base64(type || key)>`."""
        encoded = base64.b64encode(bytes([self.kind]) + self.raw).decode()
        return f"{self.name}+{self.key_id.hex()}+{encoded}"


def parse_vkey(text: str) -> NoteKey:
    """The key in a vkey. Raises NoteError."""
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    try:
        material = base64.b64decode(encoded, validate=True)
        key = NoteKey(name, material[0], Ed25519PublicKey.from_public_bytes(material[1:]))
    except (ValueError, IndexError) as error:
        raise NoteError("not a vkey") from error
    if key.kind not in (ED25519, COSIGNATURE_V1) or key.key_id.hex() != key_id or key.vkey != text:
        raise NoteError("vkey does not match its key id")
    return key


@dataclass(frozen=True)
class Checkpoint:
    """The head of a log: its origin, number of leaves and root hash."""

    origin: str
    size: int
    root: bytes

    @property
    def body(self) -> str:
        """The note text (three lines)."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def parse_body(body: str) -> Checkpoint:
    """The checkpoint in a note text without extension lines. Raises NoteError."""
    lines = body.split("\n")
    if len(lines) != 4 or lines[3] or not lines[0] or not lines[1].isascii() or not lines[1].isdigit():
        raise NoteError("not a checkpoint of three lines")
    try:
        checkpoint = Checkpoint(lines[0], int(lines[1]), base64.b64decode(lines[2], validate=True))
    except ValueError as error:
        raise NoteError("checkpoint root is not base64") from error
    if len(checkpoint.root) != 32 or checkpoint.body != body:
        raise NoteError("checkpoint is not in its canonical form")
    return checkpoint


def _line(key: NoteKey, signature: bytes) -> str:
    return f"— {key.name} {base64.b64encode(key.key_id + signature).decode()}\n"


def log_key(origin: str, key: Ed25519PrivateKey) -> NoteKey:
    """The log's note key: its name is the origin."""
    return NoteKey(origin, ED25519, key.public_key())


def sign_checkpoint(checkpoint: Checkpoint, key: Ed25519PrivateKey) -> str:
    """The checkpoint as a note signed by the log."""
    signature = key.sign(checkpoint.body.encode())
    return checkpoint.body + "\n" + _line(log_key(checkpoint.origin, key), signature)


def cosign(body: str, name: str, key: Ed25519PrivateKey, timestamp: int) -> str:
    """A witness's cosignature line over a checkpoint body; timestamp: POSIX seconds."""
    signature = key.sign(cosigned_message(body, timestamp))
    return _line(NoteKey(name, COSIGNATURE_V1, key.public_key()), struct.pack(">Q", timestamp) + signature)


def cosigned_message(body: str, timestamp: int) -> bytes:
    """The bytes a v1 cosignature signs."""
    return f"cosignature/v1\ntime {timestamp}\n{body}".encode()


def split_note(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    """Note text and its signatures as (key name, key id || signature). Raises NoteError."""
    body, separator, block = note.rpartition("\n\n")
    if not separator or not block.endswith("\n"):
        raise NoteError("no signature block")
    return body + "\n", [_parse_line(line) for line in block[:-1].split("\n")]


def _parse_line(line: str) -> tuple[str, bytes]:
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != "—" or not parts[1]:
        raise NoteError("not a signature line")
    try:
        blob = base64.b64decode(parts[2], validate=True)
    except ValueError as error:
        raise NoteError("signature is not base64") from error
    if len(blob) < 5:
        raise NoteError("signature too short")
    return parts[1], blob


def verify_line(body: str, key: NoteKey, blob: bytes) -> int | None:
    """Check one signature of `key` over a note text; gives a cosignature's time, None for a plain one.

    Raises NoteError when it does not verify.
    """
    signature, timestamp, message = blob[4:], None, body.encode()
    if key.kind == COSIGNATURE_V1:
        if len(signature) != 72:
            raise NoteError("cosignature has a wrong length")
        timestamp = struct.unpack(">Q", signature[:8])[0]
        message, signature = cosigned_message(body, timestamp), signature[8:]
    try:
        key.public.verify(signature, message)
    except InvalidSignature as error:
        raise NoteError(f"signature of {key.name} does not verify") from error
    return timestamp


def open_checkpoint(note: str, key: NoteKey) -> Checkpoint:
    """The checkpoint in a note that `key` signed. Raises NoteError."""
    body, signatures = split_note(note)
    matching = [blob for name, blob in signatures if name == key.name and blob[:4] == key.key_id]
    if not matching:
        raise NoteError("no signature of the log's key")
    for blob in matching:
        verify_line(body, key, blob)
    return parse_body(body)
