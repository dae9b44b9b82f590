"""What is told about sessions outside the database, and what a database that was restored from a backup has missed of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from uuid import UUID

from relay.core.model import CloseReason


@dataclass(frozen=True, slots=True)
class Entry:
    """A session ended, or was erased (then ``reason`` says so); or it is open after all, reopened or with somebody new in it
    (None).

    ``seating`` counts how often who sits in it had changed by then, by reopenings and replacements; ``people_since`` is what it
    was when somebody was last replaced. Nothing in it names anybody."""

    session_id: UUID
    reason: CloseReason | None
    at: datetime
    seating: int = 0
    people_since: int = 0


@dataclass(frozen=True, slots=True)
class Known:
    """A session as the database has it. ``reason`` None: it is open."""

    reason: CloseReason | None
    seating: int = 0


class Missed(Enum):
    """What has to be done again."""

    CLOSE = "close"
    ERASE = "erase"


def missed(told: Sequence[Entry], known: Known | None) -> Missed | None:
    """What a database has missed of the entries of one session, in whatever order they came to be told. ``known`` None: it
    never heard of the session, so there is nothing to end.

    A session that was reopened goes on, if its people are those that the database knows: somebody who was replaced since would
    get the other's texts again.
    """
    if known is None:
        return None
    if any(entry.reason is CloseReason.ERASED for entry in told):
        return None if known.reason is CloseReason.ERASED else Missed.ERASE
    if known.reason is not None:
        return None
    last = max(told, key=lambda entry: (entry.seating, entry.reason is not None))
    has_ended = last.reason is not None and last.seating >= known.seating
    return Missed.CLOSE if has_ended or any(entry.people_since > known.seating for entry in told) else None


def last_reason(told: Sequence[Entry]) -> CloseReason:
    """Why a session is ended again: as it last ended, if it ever did."""
    return next((entry.reason for entry in reversed(told) if entry.reason is not None), CloseReason.API)
