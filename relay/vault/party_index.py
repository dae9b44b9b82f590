"""Keyed hashes: find a person, recognise a request, without keeping either.

All phone numbers of the world can be hashed in minutes, so a plain hash of one hides nothing; only a key does. Index
keys differ per account: the same person looks different to two accounts.
"""

from __future__ import annotations

import hashlib
import hmac
from uuid import UUID

from relay.core.arrival import Party
from relay.vault.keyring import Keyring, Purpose

INDEX_BYTES = 16


class PartyIndexes:
    """Makes party indexes, pair indexes and fingerprints."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._account_keys: dict[tuple[UUID, int], bytes] = {}
        self._fingerprint_key = keyring.newest(Purpose.FINGERPRINT).secret

    def of(self, account_id: UUID, e164: str) -> Party:
        """The index of a phone, under the newest key."""
        key_id = self._keyring.newest(Purpose.INDEX).id
        return Party(_mac(self._account_key(account_id, key_id), b"party", e164.encode()), key_id)

    def pair(self, account_id: UUID, one: Party, other: Party) -> bytes:
        """The index of two people together, whichever is named first."""
        first, second = sorted((one.index, other.index))
        return _mac(self._account_key(account_id, one.key_id), b"pair", first, second)

    def fingerprint(self, what: str, *parts: bytes) -> bytes:
        """A keyed hash that recognises the same bytes again. ``what`` keeps hashes of different things apart."""
        return _mac(self._fingerprint_key, what.encode(), *parts)

    def _account_key(self, account_id: UUID, key_id: int) -> bytes:
        key = self._account_keys.get((account_id, key_id))
        if key is None:
            root = self._keyring.key(Purpose.INDEX, key_id).secret
            key = hmac.digest(root, b"relay index 1|" + account_id.bytes, hashlib.sha256)
            self._account_keys[account_id, key_id] = key
        return key


def framed(*parts: bytes) -> bytes:
    """The parts, each behind its length, so that no two lists of parts look the same."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def _mac(key: bytes, *parts: bytes) -> bytes:
    """HMAC-SHA256 over framed parts; 16 bytes."""
    return hmac.digest(key, framed(*parts), hashlib.sha256)[:INDEX_BYTES]
