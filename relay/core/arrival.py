"""A text as it arrived, resolved to account, number and person, before anything is decided about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from relay.core.keywords import Keyword
from relay.core.rules import Rule


@dataclass(frozen=True, slots=True)
class Party:
    """A person within an account: keyed hash of their phone, and the number of the key that made it."""

    index: bytes
    key_id: int
    others: tuple[Party, ...] = field(default=(), compare=False)  #: the same person under the keyring's other keys

    @property
    def indexes(self) -> list[bytes]:
        """What this person may be known by, under every key; the one in use first."""
        return [self.index, *(other.index for other in self.others)]

    @property
    def oldest(self) -> bytes:
        """What everybody who has the keyring calls this person, whatever key they use now."""
        return min((self, *self.others), key=lambda party: party.key_id).index


@dataclass(frozen=True, slots=True)
class Imprint:
    """What recognises the same again: keyed hashes of its name and of what it says, and the number of the key that made them."""

    key: bytes
    fingerprint: bytes
    key_id: int


@dataclass(frozen=True, slots=True)
class ArrivedText:
    """A verified inbound SMS. Its ``imprint`` recognises a repetition.

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
    imprint: Imprint
    provider_id: str = field(repr=False)
    rule: Rule | None = None  #: of the number's pool, whose word the whole text is
    other_imprints: tuple[Imprint, ...] = ()  #: the same under the keyring's other keys

    @property
    def key(self) -> bytes:
        return self.imprint.key
