"""Cookies of the console, and the tokens of its forms: signed under the keyring's token key that is in use.

A session's cookie says whose it is and until when; what it may do is looked up at every request. A cookie that was signed before
the key changed is none any more. The visitor's cookie knows nobody: it only ties the login's form to one browser.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from itsdangerous import BadData, URLSafeSerializer

from relay.vault.tokens import Tokens

_NONCE_BYTES = 16


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody's browser, until a time."""

    nonce: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is in, until a time: ``shown`` is the key that let them in, ``key_id`` the key that the session is."""

    nonce: str
    shown: UUID
    key_id: UUID
    until: datetime


def new_nonce() -> str:
    return secrets.token_urlsafe(_NONCE_BYTES)


class Cookies:
    """Writes and reads them. Over https their names begin with ``__Host-``: no other host and no plain page can set one."""

    def __init__(self, tokens: Tokens, *, is_secure: bool) -> None:
        self._tokens = tokens
        self._is_secure = is_secure
        prefix = "__Host-" if is_secure else ""
        self.session_name = f"{prefix}relay-console"
        self.visitor_name = f"{prefix}relay-visitor"

    def write_visitor(self, visitor: Visitor) -> str:
        """The value of a Set-Cookie header."""
        return self._header(self.visitor_name, self._sealed("visitor", [visitor.nonce, _seconds(visitor.until)]))

    def read_visitor(self, text: str | None, now: datetime) -> Visitor | None:
        match self._opened("visitor", text):
            case [str(nonce), int(until)] if now.timestamp() < until:
                return Visitor(nonce, _time(until))
        return None

    def write_session(self, session: Session) -> str:
        """The value of a Set-Cookie header."""
        said = [session.nonce, session.shown.hex, session.key_id.hex, _seconds(session.until)]
        return self._header(self.session_name, self._sealed("session", said))

    def read_session(self, text: str | None, now: datetime) -> Session | None:
        match self._opened("session", text):
            case [str(nonce), str(shown), str(key), int(until)] if now.timestamp() < until:
                return Session(nonce, UUID(hex=shown), UUID(hex=key), _time(until))
        return None

    def end_session(self) -> str:
        """The value of a Set-Cookie header that takes a session's cookie away."""
        return f"{self._header(self.session_name, '')}; Max-Age=0"

    def form_token(self, nonce: str) -> str:
        """What the forms of this browser's pages carry."""
        return self._sealed("form", nonce)

    def is_form_token(self, given: str, nonce: str) -> bool:
        return hmac.compare_digest(given.encode(), self.form_token(nonce).encode())

    def _header(self, name: str, value: str) -> str:
        secure = "; Secure" if self._is_secure else ""
        return f"{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}"

    def _sealed(self, kind: str, said: object) -> str:
        key_id, secret = self._tokens.console_secret
        return str(_serializer(secret, kind).dumps([key_id, said]))

    def _opened(self, kind: str, text: str | None) -> Any:
        """What we sealed; None for anything else, whatever it is."""
        key_id, secret = self._tokens.console_secret
        try:
            number, said = _serializer(secret, kind).loads(text or "")
        except (BadData, ValueError, TypeError):
            return None
        # The decoder overlooks spare bits at the end.
        return said if number == key_id and self._sealed(kind, said) == text else None


def _serializer(secret: bytes, kind: str) -> URLSafeSerializer:
    return URLSafeSerializer(
        secret, salt=f"relay console {kind}", signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"}
    )


def _seconds(at: datetime) -> int:
    return int(at.timestamp())


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
