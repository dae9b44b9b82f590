"""One-time codes: made, and kept as keyed hashes.

There are a million codes. Whoever has the database tries them all in a second against any plain hash, salted or not; only
a key that is not in the database keeps them. The hash is bound to its verification, person and purpose, so that a row's
hash is worth nothing in another row.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from uuid import UUID

from relay.core.keys import Purpose
from relay.core.verification import Claim
from relay.vault.keyring import Keyring, Made
from relay.vault.party_index import framed

_DIGITS = 6


@dataclass(frozen=True, slots=True)
class CodeDigest:
    """A code's keyed hash, and the number of the key that it was made with."""

    data: bytes = field(repr=False)
    key_id: int


class Codes:
    """Makes codes and compares them."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._peppers: Made[bytes] = Made(keyring)

    def new(self) -> str:
        """Six digits, each as likely as any other."""
        return f"{secrets.randbelow(10**_DIGITS):0{_DIGITS}d}"

    def digest(self, verification_id: UUID, claim: Claim, code: str) -> CodeDigest:
        """What is stored of a code, under the key in use."""
        key_id = self._keyring.current(Purpose.FINGERPRINT).id
        return CodeDigest(self._mac(key_id, verification_id, claim, code), key_id)

    def is_right(self, verification_id: UUID, claim: Claim, code: str, stored: CodeDigest) -> bool:
        """Is this the code that was stored? Takes as long for any code. Raises KeyMissing without the key of then."""
        return hmac.compare_digest(self._mac(stored.key_id, verification_id, claim, code), stored.data)

    def _mac(self, key_id: int, verification_id: UUID, claim: Claim, code: str) -> bytes:
        parts = (
            verification_id.bytes,
            claim.account_id.bytes,
            claim.party_index,
            claim.purpose.encode(),
            code.encode(),
        )
        return hmac.digest(self._pepper(key_id), framed(*parts), hashlib.sha256)

    def _pepper(self, key_id: int) -> bytes:
        def make() -> bytes:
            root = self._keyring.key(Purpose.FINGERPRINT, key_id).secret
            return hmac.digest(root, b"relay code pepper 1", hashlib.sha256)

        return self._peppers.get(key_id, make)
