"""Signs the heads of audit logs, with Ed25519. A key's 32 bytes are the private key of RFC 8032.

Every key of the log that the keyring holds signs, the newest first: whoever trusts an older one goes on, and learns the newer
one from a head that both have signed. One key serves all accounts of the installation, under another name in each log.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from relay.core.keys import Purpose
from relay.core.notes import Checkpoint, Note, NoteKey, signed
from relay.vault.keyring import Key, Keyring


@dataclass(frozen=True, slots=True)
class LogKey:
    """The public half of a key of the log, as one log's key. ``id``: its number in the keyring."""

    id: int
    key: NoteKey


class LogKeys:
    """The keys that sign heads."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def of(self, origin: str) -> list[LogKey]:
        """The keys that sign a log's heads now, newest first."""
        return [LogKey(key.id, _public(key, origin)) for key in self._signing()]

    def head(self, checkpoint: Checkpoint) -> Note:
        """A signed head."""
        text, origin = checkpoint.text(), checkpoint.origin
        return Note(text, tuple(signed(text, _public(key, origin), _private(key).sign) for key in self._signing()))

    def _signing(self) -> list[Key]:
        """Those that are in use; one that only waits for its time signs nothing yet."""
        current = self._keyring.current(Purpose.LOG).id
        return [key for key in self._keyring.newest_first(Purpose.LOG) if key.id <= current]


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the holder of a public key has signed this message."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _private(key: Key) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(key.secret)


def _public(key: Key, origin: str) -> NoteKey:
    return NoteKey(origin, _private(key).public_key().public_bytes_raw())
