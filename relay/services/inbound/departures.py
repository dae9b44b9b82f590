"""What taking texts in asks of whoever sends: may one leave as soon as it is written ("born sending")?

A text may, when this process serves its bucket, nothing is ahead of it in its leg, and the pace of its number and a socket
are free. The transaction that writes it has locked whatever the guarded door would lock, the lease included.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol
from uuid import UUID

from relay.core.envelope import Letter
from relay.storage.configuration import Directory
from relay.storage.messages import NewOutboxRow


class Departures(Protocol):
    """Those of one batch. Whatever is reserved leaves, stays or fails."""

    @property
    def epoch(self) -> int | None:
        """Of the lease that they leave under; None as long as none is reserved."""

    def begin(self) -> None:
        """The transaction begins, perhaps not for the first time: what it tried before may have been committed unseen."""

    def reserve(self, number_id: UUID) -> bool:
        """May a text leave this number at once? Takes its turn and a socket if so."""

    def add(self, row: NewOutboxRow, letter: Letter, now: datetime) -> None:
        """A text with a reserved place, as it is about to be written with its attempt."""

    def stay(self) -> None:
        """None of them leaves now: the lease was not held."""

    def leave(self) -> None:
        """They are committed: send them."""

    def fail(self) -> None:
        """The transaction failed, or its commit was not heard of."""


Gate = Callable[[int, Directory], Departures]


class Closed:
    """Where this process does not send: every text waits."""

    epoch = None

    def __init__(self, bucket: int, directory: Directory) -> None:
        pass

    def begin(self) -> None:
        pass

    def reserve(self, number_id: UUID) -> bool:
        return False

    def add(self, row: NewOutboxRow, letter: Letter, now: datetime) -> None:
        raise AssertionError("nothing was reserved")

    def stay(self) -> None:
        pass

    def leave(self) -> None:
        pass

    def fail(self) -> None:
        pass
