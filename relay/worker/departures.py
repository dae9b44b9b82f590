"""The texts of one transaction that leave as soon as it is committed; see ``services.inbound.departures`` for which may."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from relay.core.delivery import Outcome
from relay.core.envelope import Letter
from relay.core.model import State
from relay.services.sending import Intent
from relay.storage.configuration import Directory
from relay.storage.messages import NewOutboxRow
from relay.storage.outbox import Mark, Passed


class Places(Protocol):
    """The sender, as its departures see it."""

    def reserve(self, bucket: int, number_id: UUID, directory: Directory) -> int | None: ...

    def give_back(self, bucket: int, numbers: Sequence[UUID]) -> None: ...

    def start(self, bucket: int, intent: Intent, epoch: int, directory: Directory) -> None: ...

    def take_back(self, bucket: int, attempts: list[Mark]) -> None: ...


@dataclass(slots=True)
class Departures:
    """What ``services.inbound`` was promised, kept.

    ``start_within``: seconds from before a text is written until its first byte leaves, at most.
    """

    places: Places
    bucket: int
    directory: Directory
    start_within: float
    epoch: int | None = None
    _started: float = 0.0
    _ready: list[Intent] = field(default_factory=list)
    _reserved: list[UUID] = field(default_factory=list)  #: numbers
    _unsure: list[Mark] = field(default_factory=list)

    def begin(self) -> None:
        """The transaction begins, perhaps not for the first time: what it tried before may have been committed unseen."""
        self._put_back()
        self._started = time.monotonic()

    def reserve(self, number_id: UUID) -> bool:
        """May one more text leave this number at once?"""
        epoch = self.places.reserve(self.bucket, number_id, self.directory)
        if epoch is None:
            return False
        self._reserved.append(number_id)
        self.epoch = epoch
        return True

    def add(self, row: NewOutboxRow, letter: Letter, now: datetime) -> None:
        """A text with a reserved place, as it is about to be written."""
        message = row.message
        number = self.directory.numbers[row.number_id]
        if message.attempt_id is None:
            raise ValueError("only a text with an attempt can leave")
        passed = Passed(
            message_id=message.id,
            state=State.SENDING,
            reason=None,
            attempts=1,
            attempt_id=message.attempt_id,
            account_id=message.account_id,
            kind=message.kind,
            number_id=row.number_id,
            party_index=row.party_index,
            segments=message.segments,
            envelope=row.envelope,
        )
        connection = self.directory.connections[number.connection_id]
        self._ready.append(Intent(passed, number, connection, letter, now, self._started + self.start_within))

    def stay(self) -> None:
        """None of them leaves now: places and turns go back."""
        if self._reserved:
            self.places.give_back(self.bucket, self._reserved)
        self._reserved, self.epoch, self._ready = [], None, []

    def leave(self) -> None:
        """They are committed: send them."""
        if self.epoch is not None:
            for intent in self._ready:
                self.places.start(self.bucket, intent, self.epoch, self.directory)
        self._settle()

    def fail(self) -> None:
        """The transaction failed, or its commit was not heard of."""
        self._put_back()
        self._settle()

    def _put_back(self) -> None:
        """Nothing of this try leaves; it may have been committed all the same."""
        self._unsure += [Mark(i.passed.attempt_id, i.passed.message_id, Outcome.NOT_BEGUN) for i in self._ready]
        self.stay()

    def _settle(self) -> None:
        if self._unsure:
            self.places.take_back(self.bucket, self._unsure)
