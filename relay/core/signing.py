"""Signatures of what is posted to an account's own addresses: Standard Webhooks 1.0.0, to the letter.

What is signed is ``id.timestamp.body`` under HMAC-SHA256; the header holds one ``v1,<base64>`` for every secret that lives,
separated by spaces, so that a receiver who knows the old secret or the new one is content. Chance, the time and the tolerance
are given.

Whatever the garbage, ``verify`` raises ``SignatureRefused``: a header that cannot be read is one that does not match.
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256

from relay.core.errors import EvidenceRefused

PREFIX = "whsec_"
SECRET_BYTES = 32  # the specification asks for 24 to 64
TOLERANCE = timedelta(minutes=5)

_VERSION = "v1"


class SignatureRefused(EvidenceRefused):
    """A webhook's signature does not hold."""

    code = "signature_refused"


def secret_of(chance: bytes) -> str:
    """The secret that so many random bytes make, as it is shown."""
    if len(chance) != SECRET_BYTES:
        raise ValueError(f"a secret takes exactly {SECRET_BYTES} bytes of chance")
    return PREFIX + base64.b64encode(chance).decode()


def sign(secret: str, message_id: str, at: datetime, body: bytes) -> str:
    """The signature of a message under one secret: ``v1,...``."""
    signed = b".".join((message_id.encode(), _seconds(at).encode(), body))
    return f"{_VERSION},{base64.b64encode(hmac.digest(_key(secret), signed, sha256)).decode()}"


def headers(secrets: Sequence[str], message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers of a message, signed with every secret, the newest first."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": _seconds(at),
        "webhook-signature": " ".join(sign(secret, message_id, at, body) for secret in secrets),
    }


def verify(
    secret: str, given: Mapping[str, str], body: bytes, *, now: datetime, tolerance: timedelta = TOLERANCE
) -> None:
    """What a receiver does; names of headers in lower case. Raises SignatureRefused."""
    message_id, stamp = given.get("webhook-id", ""), given.get("webhook-timestamp", "")
    if not message_id or not (stamp.isascii() and stamp.isdecimal() and len(stamp) <= 12):
        raise SignatureRefused
    if abs(int(now.timestamp()) - int(stamp)) > tolerance.total_seconds():
        raise SignatureRefused("a webhook is older, or newer, than is believed")
    signed = b".".join((message_id.encode(), stamp.encode(), body))
    expected = f"{_VERSION},{base64.b64encode(hmac.digest(_key(secret), signed, sha256)).decode()}".encode()
    signatures = given.get("webhook-signature", "").split(" ")
    if not any(hmac.compare_digest(expected, one.encode()) for one in signatures):
        raise SignatureRefused


def _seconds(at: datetime) -> str:
    return str(int(at.timestamp()))


def _key(secret: str) -> bytes:
    """Raises SignatureRefused for what is no secret, without repeating it."""
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise SignatureRefused("this is no webhook secret") from None
