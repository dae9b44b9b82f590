"""What an account's endpoints are told, when they are tried again, and when nobody tries any more.

An event goes to every enabled endpoint that was there before it and whose filter takes it. It has the same id and the
same body at every try; its number within its session tells a receiver in which order things happened, because
deliveries promise none. Nothing here holds a phone or a text: an event has only ids and words of closed lists.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from relay.core.errors import InvalidInput, Problem
from relay.core.ids import IdKind, public
from relay.core.times import written

#: Every type of event that endpoints can be told of.
EVENT_TYPES = frozenset(
    f"{family}.{word}"
    for family, words in {
        "session": "opened expiring closed reopened erased",
        "participant": "opted_out opted_in replaced",
        "message": "received accepted delivered undelivered refused parked retried expired",
        "number": "added ready reserved draining released quarantined exhaustion_near",
        "pool": "ready",
        "rule": "matched",
        "connection": "degraded recovered",
        "traffic": "anomaly",
        "verification": "started approved failed",
        "webhook": "enabled disabled",
        "privacy": "access erasure hold",
    }.items()
    for word in words.split()
)
#: Families of events that stay here: who has read the log, and what became of keys.
NOT_TOLD = ("audit", "key", "keyring")
TEST_TYPE = "webhook.test"
LONGEST_FILTER = 50

#: Before each try, counted from the one before.
SCHEDULE = (
    timedelta(),
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    *(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 24)),
)
JITTER = 0.1  # of each wait, more or less: what failed together is not tried again together
LONGEST_WAIT = timedelta(hours=24)  # whatever an endpoint asks for
FAILING_FOR = timedelta(days=5)
FORMER_SECRET_FOR = timedelta(hours=24)
MOST_SECRETS = 5  # each is one more signature in a header
GONE = 410

#: What an event says of the state of the thing that it is about. Of others it says nothing.
_STATES = {
    "session.opened": "open",
    "session.closed": "closed",
    "session.reopened": "open",
    "message.retried": "queued",
    "webhook.enabled": "enabled",
    "webhook.disabled": "disabled",
    **{
        f"{family}.{word}": word
        for family, words in {
            "message": "accepted delivered undelivered refused parked expired",
            "number": "ready reserved draining quarantined",
            "verification": "approved failed",
        }.items()
        for word in words.split()
    },
}


class EndpointStatus(StrEnum):
    """Whether an endpoint is told anything."""

    ENABLED = "enabled"
    DISABLED = "disabled"


class DisabledReason(StrEnum):
    """Why one is not."""

    GONE = "gone"  #: it said so: 410
    FAILING = "failing"  #: it has taken nothing for days
    BY_ACCOUNT = "api"


class DeliveryState(StrEnum):
    """Where a delivery is. The last two are ends, until somebody asks for a replay."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"


class Failure(StrEnum):
    """Why the last try of a delivery came to nothing."""

    STATUS = "status"  #: an answer, and not 2xx
    NAME = "name"  #: its name leads nowhere, or too many names of its account are being looked up
    ADDRESS = "address"  #: its name leads to where nothing of ours may go
    CONNECT = "connect"
    TLS = "tls"
    DEADLINE = "deadline"
    PROTOCOL = "protocol"  #: no whole answer that could be read
    DISABLED = "disabled"  #: its endpoint was, before anything was delivered


@dataclass(frozen=True, slots=True)
class Happened:
    """An event as endpoints are told of it. ``sequence`` None: it is of no session, or nobody was told of it."""

    id: UUID
    account_id: UUID
    type: str
    at: datetime
    sequence: int | None = None
    session_id: UUID | None = None
    participant_id: UUID | None = None
    message_id: UUID | None = None
    number_id: UUID | None = None
    verification_id: UUID | None = None
    endpoint_id: UUID | None = None
    rule_id: UUID | None = None
    reason: str | None = None


def document(event: Happened) -> dict[str, Any]:
    """What an event says: ids, its reason, the state that it led to."""
    refs = {
        "session": (IdKind.SESSION, event.session_id),
        "participant": (IdKind.PARTICIPANT, event.participant_id),
        "message": (IdKind.MESSAGE, event.message_id),
        "number": (IdKind.NUMBER, event.number_id),
        "verification": (IdKind.VERIFICATION, event.verification_id),
        "webhook": (IdKind.ENDPOINT, event.endpoint_id),
        "rule": (IdKind.RULE, event.rule_id),
    }
    said: dict[str, str | None] = {name: public(kind, row_id) for name, (kind, row_id) in refs.items() if row_id}
    said |= {"state": _STATES.get(event.type), "reason": event.reason}
    return {
        "type": event.type,
        "id": public(IdKind.EVENT, event.id),
        "timestamp": written(event.at),
        "sequence": event.sequence,
        "data": {name: value for name, value in said.items() if value is not None},
    }


def body_of(event: Happened) -> bytes:
    """The same, as it is signed and posted: the same bytes at every try."""
    return json.dumps(document(event), separators=(",", ":")).encode()


def read_filter(patterns: Sequence[str]) -> tuple[str, ...]:
    """Which events an endpoint wants: ``*``, ``session.*`` or ``session.closed``. Raises InvalidInput, which repeats
    nothing."""
    if not 1 <= len(patterns) <= LONGEST_FILTER:
        raise InvalidInput(Problem("events", "invalid", f"must be a list of 1 to {LONGEST_FILTER}"))
    families = {f"{name.partition('.')[0]}.*" for name in EVENT_TYPES}
    for place, pattern in enumerate(patterns):
        if pattern != "*" and pattern not in families and pattern not in EVENT_TYPES:
            message = "must be *, a family such as session.*, or a type of event such as session.closed"
            raise InvalidInput(Problem(f"events.{place}", "unknown_event", message))
    return tuple(dict.fromkeys(patterns))


def takes(patterns: Iterable[str], event_type: str) -> bool:
    """Does an endpoint with this filter want such an event?"""
    family = f"{event_type.partition('.')[0]}.*"
    return any(pattern in ("*", family, event_type) for pattern in patterns)


@dataclass(frozen=True, slots=True)
class Listener:
    """An endpoint, as far as it matters for who is told what."""

    id: UUID
    account_id: UUID
    events: tuple[str, ...]
    is_enabled: bool
    since: datetime


def told_to(event: Happened, listeners: Iterable[Listener]) -> list[UUID]:
    """Which endpoints an event is for. What happened before one was made, it is not told."""
    return [
        one.id
        for one in listeners
        if one.account_id == event.account_id
        and one.is_enabled
        and one.since < event.at
        and takes(one.events, event.type)
    ]


def in_sessions(events: Iterable[Happened]) -> Counter[UUID]:
    """How many numbers each session needs."""
    return Counter(event.session_id for event in events if event.session_id is not None)


def sequences(events: Sequence[Happened], last: Mapping[UUID, int]) -> dict[UUID, int | None]:
    """The number of each event within its session, in the given order. ``last``: of each session, its highest, these
    included."""
    free = {session_id: last[session_id] - count + 1 for session_id, count in in_sessions(events).items()}
    given: dict[UUID, int | None] = {}
    for event in events:
        given[event.id] = None
        if event.session_id is not None:
            given[event.id] = free[event.session_id]
            free[event.session_id] += 1
    return given


@dataclass(frozen=True, slots=True)
class Secret:
    """What signs. ``until`` None: the one that is in use; else a former one, until then."""

    text: str = field(repr=False)
    until: datetime | None = None


def living(secrets: Iterable[Secret], now: datetime) -> tuple[Secret, ...]:
    """Those that still sign, newest first."""
    return tuple(secret for secret in secrets if secret.until is None or now < secret.until)


def rotated(secrets: Sequence[Secret], fresh: str, now: datetime) -> tuple[Secret, ...]:
    """A fresh one in front; what signed until now goes on for a day. Doing it twice is doing it once."""
    if any(secret.text == fresh for secret in secrets):
        return tuple(secrets)
    former = (replace(secret, until=secret.until or now + FORMER_SECRET_FOR) for secret in living(secrets, now))
    return (Secret(fresh), *former)[:MOST_SECRETS]


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """What of an endpoint is sealed. ``url`` may hold a token of its owner's."""

    url: str = field(repr=False)
    secrets: tuple[Secret, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one try. ``status`` None: there was no answer, ``failure`` says why. ``retry_after`` in seconds."""

    status: int | None = None
    failure: Failure | None = None
    retry_after: float | None = None

    @property
    def is_taken(self) -> bool:
        return self.status is not None and 200 <= self.status <= 299


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a delivery after a try, and of its endpoint."""

    state: DeliveryState
    failure: Failure | None = None
    due_at: datetime | None = None
    disable: DisabledReason | None = None


def judge(answer: Answer, *, tries: int, now: datetime, jitter: float, failing_since: datetime | None) -> Verdict:
    """``tries``: with this one. ``jitter``: from -1 to 1. ``failing_since``: since when the endpoint has taken nothing."""
    if answer.is_taken:
        return Verdict(DeliveryState.DELIVERED)
    failure = answer.failure or Failure.STATUS
    if answer.status == GONE:
        return Verdict(DeliveryState.FAILED, failure, disable=DisabledReason.GONE)
    if failing_since is not None and failing_since + FAILING_FOR <= now:
        return Verdict(DeliveryState.FAILED, failure, disable=DisabledReason.FAILING)
    if tries >= len(SCHEDULE):
        return Verdict(DeliveryState.FAILED, failure)
    asked = timedelta(seconds=min(answer.retry_after or 0.0, LONGEST_WAIT.total_seconds()))
    return Verdict(DeliveryState.WAITING, failure, now + max(SCHEDULE[tries] * (1 + JITTER * jitter), asked))


def newest(looks: Sequence[tuple[Sequence[UUID], UUID | None]], limit: int) -> tuple[list[UUID], UUID | None]:
    """The newest of what several looks found, and where to go on; None = there is no more. Each look: ids, newest
    first, and how far it got; None = to the end. Of what lies beyond where one of them stopped nothing may be said:
    there may be more between."""
    stopped = max((last for _, last in looks if last is not None), default=None)
    found = sorted((one for ids, _ in looks for one in ids if stopped is None or one >= stopped), reverse=True)
    if len(found) > limit:
        return found[:limit], found[limit - 1]
    return found, stopped
