"""Whom a leak concerns (GDPR article 33): for each data class of each table, which rows tell of it, and how they are dated.

Somebody has copied a table at some time within a window. What stands there now was copied, unless it was made later. Of what has
an end of its own (a phone, a text, a keyed hash) the row that stays tells when it was there: the session's, the message's. What
has gone with its row is told of by nothing, and cannot be counted. Where a row does not say enough, more is counted, not less.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from relay.core.data_class import DataClass
from relay.core.data_rules import CLEAR, RULES
from relay.core.errors import InvalidInput, Problem
from relay.core.times import read_time


class Source(StrEnum):
    """What is counted. All but the last two are statements over one bucket."""

    PHONES = "phones"
    INDEXES = "indexes"
    PEOPLE = "people"
    PARTICIPANTS = "participants"
    SESSIONS = "sessions"
    TEXTS = "texts"
    MESSAGES = "messages"
    ATTEMPTS = "attempts"
    EVENTS = "events"
    HOLDS = "holds"
    AUDIT_ENTRIES = "audit_entries"
    ERASURES = "erasures"
    VERIFICATIONS = "verifications"
    ANSWERS = "answers"
    SUPPRESSIONS = "suppressions"
    FANOUTS = "fanouts"
    HOOK_CALLS = "hook_calls"
    PRIVACY_REQUESTS = "privacy_requests"
    PRIVACY_EXPORTS = "privacy_exports"
    CARRIER_COPIES = "carrier_copies"
    INBOX_KEYS = "inbox_keys"
    IDEMPOTENCY_ANSWERS = "idempotency_answers"
    API_KEYS = "api_keys"
    NUMBER_STATES = "number_states"
    CONFIGURED = "configured"  #: what every process knows by heart
    NOTHING = "nothing"  #: its rows are nobody's, or do not say whose


@dataclass(frozen=True, slots=True)
class Told:
    """What is counted for a class of a table, and in words how."""

    by: Source
    how: str


_C = DataClass
_BOUND = "by their sessions: from opening to the end of the cool-down, and an hour for upkeep"
_UNDATED = "all that are there: a row does not say since when"
_HASHES = {_C.AUDIT_TREE: Told(Source.NOTHING, "not counted: hashes, heads and public keys, about nobody")}
_BULK_CLOSE = {_C.BULK_CLOSE: Told(Source.NOTHING, "not counted: that sessions were to be closed, about nobody")}
_OPERATION = {_C.OPERATION: Told(Source.NOTHING, "about nobody, and no account's")}


def _by_own_time(data_class: DataClass, by: Source, time: str) -> dict[DataClass, Told]:
    return {data_class: Told(by, f"by {time}, which is in the row")}


def _configured(data_class: DataClass, how: str) -> dict[DataClass, Told]:
    return {data_class: Told(Source.CONFIGURED, how)}


TOLD: Mapping[str, Mapping[DataClass, Told]] = {
    "session": _by_own_time(_C.SESSION, Source.SESSIONS, "when it was opened"),
    "participant": {
        _C.PHONE: Told(Source.PHONES, "by their sessions: from opening to closing"),
        _C.PARTY_INDEX: Told(Source.INDEXES, _BOUND),
        _C.SESSION: Told(Source.PARTICIPANTS, "by when their session was opened"),
    },
    "binding": {_C.PARTY_INDEX: Told(Source.INDEXES, _BOUND)},
    "person": {
        _C.PERSON: Told(
            Source.PEOPLE, f"{_BOUND}; who has opted out and no session is counted in the table suppression only"
        )
    },
    "message": _by_own_time(_C.MESSAGE, Source.MESSAGES, "when it arrived"),
    "outbox": {
        _C.TEXT: Told(Source.TEXTS, "by their messages: from arrival until accepted by the carrier, refused or expired")
    },
    "hook_call": _by_own_time(_C.TEXT, Source.HOOK_CALLS, "when the text arrived"),
    "attempt": _by_own_time(_C.ATTEMPT, Source.ATTEMPTS, "when it began"),
    "event": _by_own_time(_C.EVENT, Source.EVENTS, "when it happened"),
    "sealed_event": {_C.EVENT: Told(Source.NOTHING, "not counted: it only says which events are in the log")},
    "numbered_event": {_C.EVENT: Told(Source.NOTHING, "not counted: it only gives events their numbers")},
    "delivery": {_C.EVENT: Told(Source.NOTHING, "not counted: each is of an event, and those are")},
    "session_sequence": {_C.SESSION: Told(Source.NOTHING, "not counted: each is of a session, and those are")},
    "audit_entry": _by_own_time(_C.AUDIT_ENTRY, Source.AUDIT_ENTRIES, "when it was sealed"),
    "audit_tree": _HASHES,
    "audit_tile": _HASHES,
    "audit_key": _HASHES,
    "audit_witness": _HASHES,
    "audit_reader": {_C.CREDENTIALS: Told(Source.NOTHING, "not counted: when keys were used to read the log")},
    "console_link": {_C.CREDENTIALS: Told(Source.NOTHING, "not counted: each is for a key, and those are")},
    "audit_export": {_C.AUDIT_EXPORT: Told(Source.NOTHING, "not counted: when the log was exported, about nobody")},
    "bulk_close": _BULK_CLOSE,
    "bulk_close_part": _BULK_CLOSE,
    "sealing": _OPERATION,
    "numbering": _OPERATION,
    "endpoint_health": _OPERATION,
    "hold": {_C.HOLD: Told(Source.HOLDS, "by when their session was opened")},
    "erasure": _by_own_time(_C.SESSION, Source.ERASURES, "when it was asked for"),
    "verification": _by_own_time(_C.VERIFICATION, Source.VERIFICATIONS, "when the code was sent"),
    "answer": _by_own_time(_C.AUTOMATIC_ANSWER, Source.ANSWERS, "when it was given"),
    "suppression": {_C.SUPPRESSION: Told(Source.SUPPRESSIONS, f"{_UNDATED}, only when it last changed")},
    "fanout": _by_own_time(_C.SUPPRESSION, Source.FANOUTS, "when it arrived"),
    "privacy_request": _by_own_time(_C.PRIVACY_REQUEST, Source.PRIVACY_REQUESTS, "when it was made"),
    "privacy_export": _by_own_time(_C.EXPORT, Source.PRIVACY_EXPORTS, "when it was made"),
    "redaction": _by_own_time(_C.CARRIER_COPY, Source.CARRIER_COPIES, "when the text came in or was taken"),
    "inbox_key": _by_own_time(
        _C.INBOX_KEY, Source.INBOX_KEYS, "when it came; those of removed connections are not counted"
    ),
    "idempotency": _by_own_time(_C.IDEMPOTENCY_ANSWER, Source.IDEMPOTENCY_ANSWERS, "when it was asked"),
    "turn": {_C.TURN: Told(Source.NOTHING, "not counted: a row does not say whose it is")},
    "api_key": _by_own_time(_C.CREDENTIALS, Source.API_KEYS, "when it was made"),
    "connection": _configured(_C.CREDENTIALS, "by when it was made"),
    "endpoint": _configured(_C.CREDENTIALS, "by when it was made"),
    "pool_hook": _configured(_C.CREDENTIALS, "by when it was made"),
    "account": _configured(_C.CONFIGURATION, "by when it was made"),
    "pool": _configured(_C.CONFIGURATION, "by when it was made"),
    "number": _configured(_C.CONFIGURATION, "by when it was rented"),
    "template": {_C.CONFIGURATION: Told(Source.NOTHING, "not counted: the account's own words, about nobody")},
    "former_pool": _configured(_C.CONFIGURATION, _UNDATED),
    "former_number": _configured(_C.CONFIGURATION, _UNDATED),
    "number_state": {_C.CONFIGURATION: Told(Source.NUMBER_STATES, f"{_UNDATED}, only when it last changed")},
    "lease": _OPERATION,
    "process": _OPERATION,
    "forgetting": _OPERATION,
    "daily_count": _OPERATION,
    "journal": _OPERATION,
    "configuration": _OPERATION,
    "keyring_check": _OPERATION,
    "keyholder": _OPERATION,
    "schema_migration": _OPERATION,
    "migration_lease": _OPERATION,
}

#: What the answer says of what it cannot know.
NOT_COUNTED = (
    "Rows that were there in the window and have been forgotten or erased since cannot be counted: see kept_until. Backups of"
    " then hold them. People are those of each pool, told apart by keyed hash while it is there: in truth there are fewer."
)


@dataclass(frozen=True, slots=True)
class Window:
    """When it may have been copied: both ends belong to it. ``since`` None: ever since there is anything."""

    since: datetime | None
    until: datetime


@dataclass(frozen=True, slots=True)
class Reading:
    """One class of data in one table, which may have been copied."""

    table: str
    data_class: DataClass
    told: Told


@dataclass(frozen=True, slots=True)
class Leak:
    """What may have been copied, and when."""

    window: Window
    readings: tuple[Reading, ...]


def read_leak(
    *, table: str | None, data_class: str | None, since: str | None, until: str | None, now: datetime
) -> Leak:
    """What is asked about: no table = the whole database, no class = all, no times = ever and now.

    Raises InvalidInput that names each of ``table``, ``class``, ``from``, ``until`` that is wrong.
    """
    readings = tuple(_readings(table, data_class))
    window = Window(
        read_time("from", since) if since is not None else None, read_time("until", until) if until is not None else now
    )
    if window.since is not None and window.since > window.until:
        raise InvalidInput(Problem("from", "invalid", "must not be after until, nor in the future"))
    return Leak(window, readings)


def _readings(table: str | None, data_class: str | None) -> Iterator[Reading]:
    """Raises InvalidInput for words that there are not, and for a class that the table does not have."""
    if table is not None and table not in TOLD:
        raise InvalidInput(Problem("table", "unknown_table", f"must be one of: {', '.join(TOLD)}"))
    tables = TOLD if table is None else {table: TOLD[table]}
    classes = dict.fromkeys(name for told in tables.values() for name in told)
    if data_class is not None and data_class not in classes:
        raise InvalidInput(Problem("class", "unknown_class", f"must be one of: {', '.join(classes)}"))
    for name, told in tables.items():
        yield from (Reading(name, c, how) for c, how in told.items() if data_class in (None, c))


def columns_of(reading: Reading) -> tuple[str, ...]:
    """The columns of a class in a table."""
    return RULES[reading.data_class].columns[reading.table]


def is_clear(data_class: DataClass) -> bool:
    """Whether it can be read whole without the keyring. Beside what is sealed or hashed, times and random ids can."""
    return RULES[data_class].sealed_by == CLEAR
