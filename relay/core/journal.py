"""What is told about sessions outside the database, and what a database that was restored from a backup has missed of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from uuid import UUID

from relay.core.model import CloseReason


@dataclass(frozen=True, slots=True)
class Entry:
    """A session ended, or was erased (then ``reason`` says so). Nothing in it names anybody."""

    session_id: UUID
    reason: CloseReason
    at: datetime


@dataclass(frozen=True, slots=True)
class Known:
    """A session as the database has it. ``reason`` None: it is open."""

    reason: CloseReason | None


class Missed(Enum):
    """What has to be done again."""

    CLOSE = "close"
    ERASE = "erase"


def missed(entry: Entry, known: Known | None) -> Missed | None:
    """What a database has missed of an entry. ``known`` None: it never heard of the session, so there is nothing to end."""
    if known is None:
        return None
    if entry.reason is CloseReason.ERASED:
        return None if known.reason is CloseReason.ERASED else Missed.ERASE
    return Missed.CLOSE if known.reason is None else None
