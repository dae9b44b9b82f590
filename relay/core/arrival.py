"""A text as it arrived, resolved to account, number and person, before anything is decided about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from relay.core.keywords import Keyword


@dataclass(frozen=True, slots=True)
class Party:
    """A person within an account: keyed hash of their phone, and the number of the key that made it."""

    index: bytes
    key_id: int


@dataclass(frozen=True, slots=True)
class ArrivedText:
    """A verified inbound SMS. ``key`` and ``fingerprint`` are keyed hashes that recognise a repetition.

    ``number_id`` is None when the account has no such number: then ``bucket`` is the account's own. ``sender`` and
    ``party`` are None when it was no person's phone.
    """

    account_id: UUID
    connection_id: UUID
    bucket: int
    number_id: UUID | None
    party: Party | None
    sender: str | None = field(repr=False)
    text: str = field(repr=False)
    media: int
    keyword: Keyword | None
    from_own_number: bool
    key: bytes
    fingerprint: bytes
