"""The keys of this process.

A key is 32 random bytes with a purpose and a number. One of a purpose seals, every one opens. Whoever has the database without
the keys has no phone and no text.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

from relay.core.errors import KeyMissing, KeyringRefused
from relay.core.keys import KeyName, Purpose

KEY_BYTES = 32

Thing = TypeVar("Thing")


@dataclass(frozen=True, slots=True)
class Key:
    """One key. It never shows its bytes. ``use_from``: when it may begin to seal; None = as old as its installation."""

    id: int
    secret: bytes = field(repr=False)
    use_from: datetime | None = None


class Keyring:
    """Keys by purpose, oldest first. ``version`` changes with them, for whoever keeps what was made from them.

    Which key seals is decided with everybody else's keyrings in view, and told by ``seal_with``. Until then it is the newest of
    those that are as old as their installation, or the oldest of all: one that everybody surely has.
    """

    def __init__(self, keys: Mapping[Purpose, Sequence[Key]]) -> None:
        self.version = 0
        self._keys: dict[Purpose, tuple[Key, ...]] = {}
        self._seals: dict[Purpose, Key] = {}
        self.take(keys)

    def take(self, keys: Mapping[Purpose, Sequence[Key]]) -> None:
        """Hold these keys from now on. Raises KeyringRefused where they make no keyring, and changes nothing then."""
        missing = [purpose for purpose in Purpose if not keys.get(purpose)]
        if missing:
            raise KeyringRefused(f"the keyring has no key for: {', '.join(missing)}")
        doubled = [purpose for purpose in Purpose if len({key.id for key in keys[purpose]}) < len(keys[purpose])]
        if doubled:  # the one would seal, the other be asked to open
            raise KeyringRefused(f"the keyring has two keys of one number for: {', '.join(doubled)}")
        self._keys = {purpose: tuple(sorted(keys[purpose], key=lambda key: key.id)) for purpose in Purpose}
        self._seals = {purpose: self._still(purpose) for purpose in Purpose}
        self.version += 1

    def _still(self, purpose: Purpose) -> Key:
        """The key that sealed so far, where it is still here."""
        keys, sealed = self._keys[purpose], self._seals.get(purpose)
        if sealed in keys:
            return sealed
        return max((key for key in keys if key.use_from is None), key=lambda key: key.id, default=keys[0])

    def seal_with(self, chosen: Mapping[Purpose, int]) -> None:
        """Seal with these keys from now on, as far as they are here."""
        self._seals |= {p: key for p, key_id in chosen.items() for key in self._keys[p] if key.id == key_id}

    def current(self, purpose: Purpose) -> Key:
        """The key that seals now."""
        return self._seals[purpose]

    def newest_first(self, purpose: Purpose) -> tuple[Key, ...]:
        return self._keys[purpose][::-1]

    def key(self, purpose: Purpose, key_id: int) -> Key:
        """The key with this number. Raises KeyMissing when there is none: what it sealed cannot be opened here."""
        for key in self._keys[purpose]:
            if key.id == key_id:
                return key
        raise KeyMissing("sealed with a key that this keyring does not hold")

    def all(self) -> dict[Purpose, tuple[Key, ...]]:
        """Every key by purpose."""
        return dict(self._keys)

    def answers(self) -> dict[KeyName, bytes]:
        """What every key answers to one fixed question: enough to recognise it, useless for anything else."""
        return {
            KeyName(purpose, key.id): hmac.digest(key.secret, b"relay keyring check 1", hashlib.sha256)
            for purpose, keys in self._keys.items()
            for key in keys
        }

    def with_next(self, wanted: Mapping[Purpose, datetime], now: datetime) -> Keyring:
        """A keyring with one more key for each of these purposes, to seal from the times given; a purpose that has one which has
        not begun yet gets no other."""
        keys = self.all()
        for purpose, use_from in wanted.items():
            newest = keys[purpose][-1]
            if newest.use_from is None or newest.use_from <= now:
                keys[purpose] = (*keys[purpose], new_key(newest.id + 1, use_from))
        return Keyring(keys)

    def without(self, names: Collection[KeyName]) -> Keyring:
        """A keyring without these keys."""
        return Keyring({p: [k for k in keys if KeyName(p, k.id) not in names] for p, keys in self._keys.items()})


class Made(Generic[Thing]):
    """Things made from keys, each once; gone when the keyring changes, so that nothing outlives a key that is destroyed."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._version = keyring.version
        self._things: dict[Hashable, Thing] = {}

    def get(self, name: Hashable, make: Callable[[], Thing]) -> Thing:
        if self._version != self._keyring.version:
            self._things, self._version = {}, self._keyring.version
        thing = self._things.get(name)
        if thing is None:
            thing = self._things[name] = make()
        return thing


def new_key(key_id: int, use_from: datetime | None = None) -> Key:
    return Key(key_id, secrets.token_bytes(KEY_BYTES), use_from)


def make() -> Keyring:
    """A new keyring with one key for each purpose."""
    return Keyring({purpose: [new_key(1)] for purpose in Purpose})
