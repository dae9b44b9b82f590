"""Seals phones, texts and credentials with AES-256-GCM (NIST SP 800-38D).

Every sealed value is bound to the place where it is stored: account, bucket, row, column and key number are its
associated data. A value that is moved to another row, by a bug or by hand, does not open; it cannot be misrouted.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from relay.core.errors import Tampered
from relay.core.keys import Purpose
from relay.vault.keyring import Keyring, Made

_NONCE_BYTES = 12  # random: with one key for a day's or week's rows, 2**32 values stay far away (section 8.3)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed value is stored."""

    account_id: UUID
    bucket: int
    row_id: UUID
    column: str

    def associated_data(self, key_id: int) -> bytes:
        return f"relay seal 1|{self.account_id}|{self.bucket}|{self.row_id}|{self.column}|{key_id}".encode()


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed value and the number of the key that opens it."""

    data: bytes = field(repr=False)
    key_id: int


class Sealing:
    """Seals and opens values for their places."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._ciphers: Made[AESGCM] = Made(keyring)

    def seal(self, purpose: Purpose, place: Place, plain: str) -> Sealed:
        key_id = self._keyring.current(purpose).id
        nonce = secrets.token_bytes(_NONCE_BYTES)
        data = self._cipher(purpose, key_id).encrypt(nonce, plain.encode(), place.associated_data(key_id))
        return Sealed(nonce + data, key_id)

    def open(self, purpose: Purpose, place: Place, sealed: Sealed) -> str:
        """Raises Tampered when the value was not sealed for this place with this key."""
        nonce, data = sealed.data[:_NONCE_BYTES], sealed.data[_NONCE_BYTES:]
        cipher = self._cipher(purpose, sealed.key_id)
        try:
            return cipher.decrypt(nonce, data, place.associated_data(sealed.key_id)).decode()
        except (InvalidTag, ValueError):
            raise Tampered("a sealed value does not open in the place where it was found") from None

    def _cipher(self, purpose: Purpose, key_id: int) -> AESGCM:
        return self._ciphers.get((purpose, key_id), lambda: AESGCM(self._keyring.key(purpose, key_id).secret))
