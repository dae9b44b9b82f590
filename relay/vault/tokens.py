"""Tokens that name an attempt in the callback URL given to a provider.

A receipt that brings one back proves which attempt was accepted, even when the answer to the send was never seen.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from uuid import UUID

from relay.core.errors import Tampered
from relay.core.keys import Purpose
from relay.vault.keyring import Keyring

_MAC_BYTES = 16
_LENGTH = 16 + 16 + _MAC_BYTES


@dataclass(frozen=True, slots=True)
class AttemptToken:
    """Which attempt of which message. The bucket is in both ids."""

    message_id: UUID
    attempt_id: UUID


class Tokens:
    """Writes and reads callback tokens."""

    def __init__(self, keyring: Keyring) -> None:
        self._keys = tuple(
            hmac.digest(key.secret, b"relay callback token 1", hashlib.sha256)
            for key in keyring.newest_first(Purpose.TOKEN)
        )
        self.cursor_secret = hmac.digest(keyring.current(Purpose.TOKEN).secret, b"relay cursor 1", hashlib.sha256)

    def write(self, token: AttemptToken) -> str:
        """The token as 64 letters that need no quoting in a URL."""
        body = token.message_id.bytes + token.attempt_id.bytes
        return base64.urlsafe_b64encode(body + self._mac(self._keys[0], body)).decode()

    def read(self, text: str) -> AttemptToken:
        """Raises Tampered unless one of our keys made exactly this token."""
        try:
            raw = base64.urlsafe_b64decode(text.encode("ascii"))
        except (ValueError, binascii.Error):
            raise Tampered("not a token") from None
        body, mac = raw[:32], raw[32:]
        exact = base64.urlsafe_b64encode(raw).decode() == text  # the decoder overlooks what is not in its alphabet
        ours = any(hmac.compare_digest(mac, self._mac(key, body)) for key in self._keys)
        if not exact or not ours or len(raw) != _LENGTH:
            raise Tampered("not a token")
        return AttemptToken(UUID(bytes=body[:16]), UUID(bytes=body[16:]))

    @staticmethod
    def _mac(key: bytes, body: bytes) -> bytes:
        return hmac.digest(key, body, hashlib.sha256)[:_MAC_BYTES]
