"""Which events must be there for a row to be in the state it is in: so that a change of state without an entry cannot hide.

An event is written by the statement that changes the row, at the same time; so what a row says of its times finds the event. Of a
text that is queued or sending only the arrival is asked for: between the two it has its attempts, and those are counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from relay.core.model import CloseReason, NumberState, State, VerificationStatus
from relay.core.periods import AUDIT_ENTRIES_FOR, EVENTS_FOR

#: For so long after it happened an event is surely still there: forgetting may be an hour early, never more.
LOOKED_BACK = EVENTS_FOR - timedelta(hours=1)
#: How long an event may take into the log.
SEALED_WITHIN = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Stood:
    """A row, and what it says of itself. ``word``: its state. ``began`` and ``ended``: when it was made and when it took that
    state; ``ended`` None: it does not say."""

    id: UUID
    word: str
    began: datetime
    ended: datetime | None = None


@dataclass(frozen=True, slots=True)
class Expected:
    """An event that must be there, of one of these types. ``subject``: the row that it names; None where events of this type name
    none. ``at``: when it happened; None where the row does not say, but that it was not before ``since``."""

    types: tuple[str, ...]
    subject: UUID | None
    at: datetime | None
    since: datetime


def of_message(row: Stood) -> Iterator[Expected]:
    """``ended``: when its state last changed."""
    if row.word != State.REFUSED or row.ended != row.began:
        yield Expected(("message.received",), row.id, row.began, row.began)
    if row.word not in (State.QUEUED, State.SENDING):
        yield Expected((f"message.{row.word}",), row.id, row.ended, row.began)


def of_session(row: Stood) -> Iterator[Expected]:
    """``word``: why it was closed; empty while it is open."""
    yield Expected(("session.opened",), row.id, row.began, row.began)
    if row.ended:
        yield Expected(("session.closed",), row.id, row.ended, row.began)
    if row.word == CloseReason.ERASED:
        yield Expected(("session.erased",), row.id, None, row.began)


def of_verification(row: Stood) -> Iterator[Expected]:
    yield Expected(("verification.started",), row.id, row.began, row.began)
    if row.word != VerificationStatus.PENDING:
        yield Expected((f"verification.{row.word}",), row.id, None, row.began)


def of_number(row: Stood) -> Iterator[Expected]:
    """``began``: when its state last changed, which was when it was added, where it never did."""
    word = NumberState.QUARANTINED if row.word == NumberState.UNREGISTERED else row.word
    yield Expected((f"number.{word}", "number.added"), row.id, row.began, row.began)


def of_hold(row: Stood) -> Iterator[Expected]:
    """``id``: of its session. Placing and lifting are one type of event."""
    yield from (Expected(("privacy.hold",), row.id, at, at) for at in (row.began, row.ended) if at)


def of_step(row: Stood) -> Iterator[Expected]:
    """A time that stands in a row of its own: ``word`` is the event, which names no row."""
    yield Expected((row.word,), None, row.began, row.began)


#: By the statement that reads them: what its rows must have.
EXPECTED: Mapping[str, Callable[[Stood], Iterator[Expected]]] = {
    "messages": of_message,
    "sessions": of_session,
    "verifications": of_verification,
    "numbers": of_number,
    "holds": of_hold,
    "keys": of_step,
    "links": of_step,
}


def expected(table: str, rows: Sequence[Stood], now: datetime) -> list[Expected]:
    """What must be there of these rows, as far as it is not to be forgotten by now."""
    since = now - LOOKED_BACK
    found = (one for row in rows for one in EXPECTED[table](row))
    return [one for one in found if (one.at or one.since) > since]


@dataclass(frozen=True, slots=True)
class Sealed:
    """An event, and what the log has of it. ``entry``: the type that its entry says; empty when that is erased, None when there
    is no entry."""

    id: UUID
    type: str
    at: datetime
    is_marked: bool
    entry: str | None


class Fault(StrEnum):
    """What can be wrong between a change and its entry."""

    NO_EVENT = "no_event"  #: a row is in a state that no event tells of
    NO_ATTEMPT = "no_attempt"  #: a text has begun to leave more often than it has attempts
    NOT_SEALED = "not_sealed"  #: an event has waited for its entry for more than a minute
    NO_ENTRY = "no_entry"  #: an event is marked as sealed, and no entry is there
    OTHER_ENTRY = "other_entry"  #: the entry of an event says something else


def fault_of(event: Sealed, now: datetime) -> Fault | None:
    """What is wrong with an event; None = nothing, or not yet."""
    if event.entry is None:
        if event.is_marked:
            return (
                Fault.NO_ENTRY if event.at > now - AUDIT_ENTRIES_FOR else None
            )  # an event under a hold outlives its entry
        return Fault.NOT_SEALED if event.at <= now - SEALED_WITHIN else None
    return Fault.OTHER_ENTRY if event.entry not in ("", event.type) else None
