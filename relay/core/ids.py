"""Ids that are random, ordered by time, and know their bucket.

An id is a UUID version 7 (RFC 9562 section 5.7) whose last ten random bits hold the bucket (0..1023), so that whoever
holds an id knows where its row lives. In public it is written as a kind and 26 letters, ``ses_...``. Time and entropy
are given: nothing here reads a clock or makes chance.

An id that cannot be read is answered exactly like an id that does not exist: both raise ``NotFound``.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from uuid import UUID

from relay.core.errors import NotFound

BUCKETS = 1024
ENTROPY_BYTES = 10

_BUCKET_BITS = 10
_TEXT_LENGTH = 26
_VERSION_7 = 0x7 << 76
_VARIANT = 0b10 << 62
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class IdKind(StrEnum):
    """The word in front of a public id."""

    ACCOUNT = "acc"
    CONNECTION = "con"
    ENDPOINT = "whk"
    EVENT = "evt"
    KEY = "key"
    MESSAGE = "msg"
    NUMBER = "num"
    PARTICIPANT = "par"
    POOL = "pool"
    REQUEST = "req"
    RULE = "rul"
    SESSION = "ses"
    TEMPLATE = "tpl"
    SUPPRESSION = "sup"
    VERIFICATION = "ver"
    WITNESS = "wit"


def make_id(bucket: int, at: datetime, entropy: bytes) -> UUID:
    """Make the id of a row in ``bucket`` from a time and ten random bytes."""
    if not 0 <= bucket < BUCKETS:
        raise ValueError("a bucket is a number from 0 to 1023")
    if len(entropy) != ENTROPY_BYTES:
        raise ValueError("an id takes exactly ten bytes of entropy")
    milliseconds = int(at.timestamp() * 1000) & ((1 << 48) - 1)
    chance = int.from_bytes(entropy, "big")
    rand_a = chance & 0xFFF
    rand_b = (chance >> 12) & ((1 << 52) - 1)
    return UUID(int=milliseconds << 80 | _VERSION_7 | rand_a << 64 | _VARIANT | rand_b << _BUCKET_BITS | bucket)


def first_id_at(bucket: int, at: datetime) -> UUID:
    """The lowest id of a bucket at a time: ids that were made before are lower."""
    return make_id(bucket, at, bytes(ENTROPY_BYTES))


def made_at(row_id: UUID) -> datetime:
    """When an id was made, to the millisecond."""
    return _EPOCH + timedelta(milliseconds=row_id.int >> 80)


@dataclass(frozen=True, slots=True)
class Seed:
    """Time and chance for one id, drawn before it is known in which bucket the row will be: makes a creation repeatable."""

    at: datetime
    entropy: bytes

    def id_in(self, bucket: int) -> UUID:
        return make_id(bucket, self.at, self.entropy)


def bucket_of(row_id: UUID) -> int:
    """The bucket in which the row of this id lives."""
    return row_id.int & (BUCKETS - 1)


def fixed_bucket(entropy: bytes) -> int:
    """The bucket of a new pool or account: spread evenly, and never changed afterwards."""
    return int.from_bytes(hashlib.sha256(b"relay bucket 1|" + entropy).digest()[:2], "big") % BUCKETS


@lru_cache(maxsize=4096)
def public(kind: IdKind, row_id: UUID) -> str:
    """The id as the world sees it, such as ``ses_agpky...``."""
    return f"{kind}_{base64.b32encode(row_id.bytes).decode().rstrip('=').lower()}"


@lru_cache(maxsize=4096)
def parse(kind: IdKind, text: str) -> UUID:
    """Read a public id back.

    Raises NotFound when it is not one of this kind, whatever the reason.
    """
    prefix, _, letters = text.partition("_")
    if prefix != kind or len(letters) != _TEXT_LENGTH or not letters.isascii() or letters != letters.lower():
        raise NotFound
    try:
        row_id = UUID(bytes=base64.b32decode(letters.upper() + "=" * 6))
    except ValueError:
        raise NotFound from None
    if public(kind, row_id) != text:  # base32 has spare bits: one id, one spelling
        raise NotFound
    return row_id
