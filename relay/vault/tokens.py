"""Tokens: what others hold for us and bring back, signed so that nobody can make one up.

One names an attempt in the callback URL given to a provider: a receipt that brings it back proves which attempt was
accepted, even when the answer to the send was never seen. Another proves that a phone was verified.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from relay.core.errors import Tampered
from relay.core.keys import Purpose
from relay.core.verification import Claim, Proof
from relay.vault.keyring import Keyring

_MAC_BYTES = 16
_UUID_BYTES = 16


@dataclass(frozen=True, slots=True)
class AttemptToken:
    """Which attempt of which message. The bucket is in both ids."""

    message_id: UUID
    attempt_id: UUID


class Signer:
    """Signs so many bytes for one purpose with the newest key, and reads what any of the keys signed."""

    def __init__(self, keyring: Keyring, domain: bytes, length: int) -> None:
        self.keys = tuple(
            hmac.digest(key.secret, domain, hashlib.sha256) for key in keyring.newest_first(Purpose.TOKEN)
        )
        self._length = length

    def write(self, body: bytes, bound_to: bytes = b"") -> str:
        """``body`` and its signature in letters that need no quoting in a URL. ``bound_to`` is signed but not told."""
        raw = body + self._mac(self.keys[0], body + bound_to)
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    def read(self, text: str, bound_to: bytes = b"") -> bytes:
        """The body. Raises Tampered unless one of our keys made exactly this text, bound to the same."""
        try:
            raw = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        except (ValueError, binascii.Error):
            raise Tampered("not a token") from None
        body, mac = raw[: self._length], raw[self._length :]
        # The decoder overlooks what is not in its alphabet, and spare bits at the end.
        exact = base64.urlsafe_b64encode(raw).decode().rstrip("=") == text
        ours = any(hmac.compare_digest(mac, self._mac(key, body + bound_to)) for key in self.keys)
        if not exact or not ours or len(raw) != self._length + _MAC_BYTES:
            raise Tampered("not a token")
        return body

    @staticmethod
    def _mac(key: bytes, signed: bytes) -> bytes:
        return hmac.digest(key, signed, hashlib.sha256)[:_MAC_BYTES]


class Tokens:
    """Writes and reads tokens, each kind under a key of its own."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._attempts = Signer(keyring, b"relay callback token 1", 2 * _UUID_BYTES)
        self._proofs = Signer(keyring, b"relay verification token 1", _UUID_BYTES)
        self.download_secret = hmac.digest(keyring.current(Purpose.TOKEN).secret, b"relay download 1", hashlib.sha256)
        self.cursor_secret = hmac.digest(keyring.current(Purpose.TOKEN).secret, b"relay cursor 1", hashlib.sha256)

    @property
    def console_secret(self) -> tuple[int, bytes]:
        """What console cookies are signed with, and its key's number: of the one in use now, so that a rotation ends them."""
        key = self._keyring.current(Purpose.TOKEN)
        return key.id, hmac.digest(key.secret, b"relay console 1", hashlib.sha256)

    def write(self, token: AttemptToken) -> str:
        """The token as 64 letters that need no quoting in a URL."""
        return self._attempts.write(token.message_id.bytes + token.attempt_id.bytes)

    def read(self, text: str) -> AttemptToken:
        """Raises Tampered unless one of our keys made exactly this token."""
        body = self._attempts.read(text)
        return AttemptToken(UUID(bytes=body[:_UUID_BYTES]), UUID(bytes=body[_UUID_BYTES:]))

    def write_proof(self, verification_id: UUID, claim: Claim) -> str:
        """The token that a right code gives: 43 letters, good for this claim only. The bucket is in the id."""
        return self._proofs.write(verification_id.bytes, _bound(claim))

    def read_proof(self, text: str, claim: Claim) -> UUID:
        """Which verification proved this claim. Raises Tampered unless one of our keys made exactly this token for it."""
        return UUID(bytes=self._proofs.read(text, _bound(claim)))

    def proof(self, text: str, claims: Sequence[Claim]) -> Proof:
        """What a token proves of a person, who may be known by several indexes. Raises Tampered when it is none of these."""
        for claim in claims:
            with suppress(Tampered):
                return Proof(self.read_proof(text, claim), claim.party_index)
        raise Tampered("not a token of this person")


def _bound(claim: Claim) -> bytes:
    """A claim as bytes. Only the last part may differ in length, so no two claims look the same."""
    return claim.account_id.bytes + claim.party_index + claim.purpose.encode()
