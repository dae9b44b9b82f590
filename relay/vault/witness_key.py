"""The key that a witness cosigns with, as a file on the witness's own machine: one line, readable by its owner alone.

The line is ``PRIVATE+KEY+name+id+base64``, as the note tools of the Go project write it; behind the base64 are one byte for the
kind of key and the 32 bytes of RFC 8032. It has nothing to do with the keyring of an installation.
"""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from relay.core.errors import EvidenceRefused, OperatorMistake
from relay.core.notes import KeyType, NoteKey, from_base64, in_base64, name_is_right

_LINE = re.compile(r"PRIVATE\+KEY\+([^+\s]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)\n?", re.ASCII)
_SECRET_BYTES = 32
_LONGEST = 1_000


class WitnessKey:
    """Cosigns heads. Its public half, as it is handed to others, is ``key``."""

    def __init__(self, name: str, secret: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(secret)
        self.key = NoteKey(name, self._private.public_key().public_bytes_raw(), KeyType.COSIGNATURE)

    def sign(self, message: bytes) -> bytes:
        return self._private.sign(message)


def make(path: Path, name: str) -> WitnessKey:
    """Make a key in a file that is not there yet. Raises OperatorMistake; a file that is there is never written over."""
    if not name_is_right(name):
        raise OperatorMistake("a witness's name has neither blanks nor + in it: auditor.example/witness")
    secret = secrets.token_bytes(_SECRET_BYTES)
    made = WitnessKey(name, secret)
    typed = in_base64(bytes([KeyType.COSIGNATURE]) + secret)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            stream.write(f"PRIVATE+KEY+{name}+{made.key.id.hex()}+{typed}\n")
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise OperatorMistake(f"{path}: {error.strerror}") from None
    return made


def load(path: Path) -> WitnessKey:
    """Read a key. Raises OperatorMistake, also for a file that others can read."""
    try:
        with path.open("rb") as stream:
            others = os.fstat(stream.fileno()).st_mode & 0o077
            line = _LINE.fullmatch(stream.read(_LONGEST).decode())
    except OSError as error:
        raise OperatorMistake(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        line, others = None, 0
    if others:
        raise OperatorMistake(f"{path} can be read by others: chmod 600 it, or make another key")
    found = None if line is None else _read(line[1], line[3])
    if line is None or found is None or found.key.id.hex() != line[2]:
        raise OperatorMistake(f"{path} is no key of a witness")
    return found


def _read(name: str, encoded: str) -> WitnessKey | None:
    try:
        typed = from_base64(encoded)
    except EvidenceRefused:
        return None
    right = len(typed) == 1 + _SECRET_BYTES and typed[0] == KeyType.COSIGNATURE
    return WitnessKey(name, typed[1:]) if right else None
