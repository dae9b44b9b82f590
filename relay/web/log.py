"""What the audit page needs of an account's log, as plain values. The page does not know how a log is kept.

To read is an act that is itself told of: whoever implements ``Log`` writes the event, the page does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol
from uuid import UUID

from relay.storage.configuration import Account


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries: None = any. ``since`` and ``until``: days by UTC, both included. ``before``: lower numbers."""

    event: str | None = None
    reason: str | None = None
    session: str | None = None
    since: date | None = None
    until: date | None = None
    before: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. ``event`` and ``at`` None: it was erased, or its record is none of ours. ``more``: what else its record says."""

    n: int
    event: str | None
    at: datetime | None
    reason: str | None = None
    session: str | None = None
    more: Mapping[str, str] = field(default_factory=dict)
    is_erased: bool = False


@dataclass(frozen=True, slots=True)
class Witnessed:
    """A witness has cosigned a head of this size. ``stands``: what is kept still has that head."""

    name: str
    size: int
    at: datetime
    stands: bool = True


@dataclass(frozen=True, slots=True)
class Head:
    """The log's signed head. ``is_proved``: it is signed, the tree has its root, and the entries shown are in that tree."""

    size: int
    signed_at: datetime
    is_proved: bool
    witnessed: Sequence[Witnessed] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """Entries, newest first; ``has_older``: there are more behind them. ``head`` None: nothing has been sealed yet."""

    head: Head | None
    entries: Sequence[Entry]
    has_older: bool


@dataclass(frozen=True, slots=True)
class DayCount:
    """How many entries of one kind of event a day has."""

    day: date
    event: str
    count: int


class Log(Protocol):
    """The logs of accounts."""

    async def read(self, account: Account, key_id: UUID, wanted: Wanted, *, limit: int) -> Found:
        """Entries for who reads with this key."""
        ...

    async def counts(self, account: Account, since: date, until: date) -> Sequence[DayCount]:
        """Of the days from ``since`` to ``until``, both included."""
        ...
