"""The kinds of data that there are, and what is to be said of each. What is said: ``relay.core.retention``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class DataClass(StrEnum):
    """A kind of data: what it is about decides how long it is kept."""

    PHONE = "phone"
    TEXT = "text"
    CARRIER_COPY = "carrier_copy"
    PARTY_INDEX = "party_index"
    PERSON = "person"
    SUPPRESSION = "suppression"
    INBOX_KEY = "inbox_key"
    SESSION = "session"
    MESSAGE = "message"
    ATTEMPT = "attempt"
    EVENT = "event"
    AUDIT_ENTRY = "audit_entry"
    AUDIT_TREE = "audit_tree"
    AUDIT_EXPORT = "audit_export"
    BULK_CLOSE = "bulk_close"
    HOLD = "hold"
    PRIVACY_REQUEST = "privacy_request"
    EXPORT = "export"
    AUTOMATIC_ANSWER = "automatic_answer"
    IDEMPOTENCY_ANSWER = "idempotency_answer"
    VERIFICATION = "verification"
    TURN = "turn"
    CREDENTIALS = "credentials"
    CONFIGURATION = "configuration"
    OPERATION = "operation"


@dataclass(frozen=True, slots=True)
class Rule:
    """What is to be said of one data class.

    ``period`` counts from the row's own time; None where the end is something that happens, or a date that the row carries.
    ``columns`` is table -> its columns of this class.
    """

    what: str
    people: str
    purpose: str
    period: timedelta | None
    until: str
    sealed_by: str
    columns: Mapping[str, tuple[str, ...]]


def columns(**tables: str) -> dict[str, tuple[str, ...]]:
    """The columns of tables, written one after the other."""
    return {table: tuple(names.split()) for table, names in tables.items()}
