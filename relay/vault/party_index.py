"""Keyed hashes: find a person, recognise a request, without keeping either.

All phone numbers of the world can be hashed in minutes, so a plain hash of one hides nothing; only a key does. Index
keys differ per account: the same person looks different to two accounts.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from functools import partial
from uuid import UUID

from relay.core.arrival import Imprint, Party
from relay.core.keys import Purpose
from relay.vault.keyring import Keyring, Made

INDEX_BYTES = 16

Fingerprint = Callable[..., bytes]  #: what a hash is of, and its parts


class PartyIndexes:
    """Makes party indexes, pair indexes and fingerprints."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._account_keys: Made[bytes] = Made(keyring)

    def of(self, account_id: UUID, e164: str) -> Party:
        """The index of a phone, under the key that is in use."""
        current = self._keyring.current(Purpose.INDEX).id
        others = (key.id for key in self._keyring.newest_first(Purpose.INDEX) if key.id != current)
        return self._party(account_id, e164, current, tuple(self._party(account_id, e164, key_id) for key_id in others))

    def _party(self, account_id: UUID, e164: str, key_id: int, others: tuple[Party, ...] = ()) -> Party:
        return Party(_mac(self._account_key(account_id, key_id), b"party", e164.encode()), key_id, others)

    def pair(self, account_id: UUID, one: Party, other: Party) -> bytes:
        """The index of two people together, whichever is named first."""
        first, second = sorted((one.index, other.index))
        return _mac(self._account_key(account_id, one.key_id), b"pair", first, second)

    def other_pairs(self, account_id: UUID, one: Party, other: Party) -> list[bytes]:
        """The same under the keyring's other keys."""
        return [self.pair(account_id, o, p) for o in one.others for p in other.others if o.key_id == p.key_id]

    def imprints(self, make: Callable[[Fingerprint], tuple[bytes, bytes]]) -> tuple[Imprint, ...]:
        """What ``make`` makes of a name and of what it says, under every key; the one that is in use first."""
        current = self._keyring.current(Purpose.FINGERPRINT)
        others = (key for key in self._keyring.newest_first(Purpose.FINGERPRINT) if key.id != current.id)
        return tuple(Imprint(*make(partial(_fingerprint, key.secret)), key.id) for key in (current, *others))

    def fingerprint(self, what: str, *parts: bytes) -> bytes:
        """A keyed hash that recognises the same bytes again, under the key that is in use. ``what`` keeps hashes of different
        things apart."""
        return _fingerprint(self._keyring.current(Purpose.FINGERPRINT).secret, what, *parts)

    def _account_key(self, account_id: UUID, key_id: int) -> bytes:
        def make() -> bytes:
            root = self._keyring.key(Purpose.INDEX, key_id).secret
            return hmac.digest(root, b"relay index 1|" + account_id.bytes, hashlib.sha256)

        return self._account_keys.get((account_id, key_id), make)


def _fingerprint(secret: bytes, what: str, *parts: bytes) -> bytes:
    return _mac(secret, what.encode(), *parts)


def framed(*parts: bytes) -> bytes:
    """The parts, each behind its length, so that no two lists of parts look the same."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def _mac(key: bytes, *parts: bytes) -> bytes:
    """HMAC-SHA256 over framed parts; 16 bytes."""
    return hmac.digest(key, framed(*parts), hashlib.sha256)[:INDEX_BYTES]
