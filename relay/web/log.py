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
    """One entry. ``event`` and ``at`` None: it was erased, only its leaf still stands. ``more``: what else its record says."""

    n: int
    event: str | None
    at: datetime | None
    reason: str | None = None
    session: str | None = None
    more: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Found:
    """Entries, newest first; ``has_older``: there are more behind them."""

    entries: Sequence[Entry]
    has_older: bool


@dataclass(frozen=True, slots=True)
class Witnessed:
    """A witness has cosigned a head of this size."""

    name: str
    size: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Head:
    """The log's signed head. ``verified``: up to how many entries the leaves were found to give the root that was signed."""

    size: int
    signed_at: datetime
    verified: int
    witnessed: Sequence[Witnessed] = ()


@dataclass(frozen=True, slots=True)
class DayCount:
    """How many entries of one kind of event a day has."""

    day: date
    event: str
    count: int


class Log(Protocol):
    """An account's log, for who reads it with this key."""

    async def head(self, account: Account) -> Head | None:
        """None: nothing has been sealed yet."""
        ...

    async def entries(self, account: Account, key_id: UUID, wanted: Wanted, *, limit: int) -> Found: ...

    async def counts(self, account: Account, since: date, until: date) -> Sequence[DayCount]:
        """Of the days from ``since`` to ``until``, both included."""
        ...
