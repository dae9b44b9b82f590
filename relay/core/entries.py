"""What an entry of the audit log says, to the byte: the record, and the 32 bytes that stand for it in the tree.

A record is written once and never again: whoever checks one hashes its bytes and does not write it anew. docs/audit-log.md tells
a stranger the same as this file.

A leaf is SHA-256(salt || record). The salt, random per record, is what makes erasing real: a record has few unknown bits, and
without its salt nobody can try which of them a leaf stands for.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from hashlib import sha256
from uuid import UUID

from relay.core.errors import EvidenceRefused
from relay.core.ids import IdKind, public
from relay.core.model import MessageKind
from relay.core.times import written

SCHEMA = 1
SESSION_ERASED = "session.erased"
SALT_BYTES = 32
REF_KEY_BYTES = 32
_REF_BYTES = 16
_LONGEST_RECORD = 2_000

#: No value begins with what a spreadsheet takes for a formula, and none has a place for words of people.
_VALUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,79}", re.ASCII)
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", re.ASCII)
_WORDS = re.compile(r"[a-z]+[a-z_]*(\.[a-z_]+)?", re.ASCII)  # no digits: they could be a phone's

#: Events that a text brings about, or that a person does: their time is coarsened to the minute.
_OF_PEOPLE = ("message.", "participant.", "rule.", "verification.")

Record = Mapping[str, str | int]


class Thing(StrEnum):
    """What a reference in a record stands for. The same id of two kinds gives two references."""

    ENTRY = "entry"
    SESSION = "session"
    PARTICIPANT = "participant"
    MESSAGE = "message"
    VERIFICATION = "verification"


class Direction(StrEnum):
    """Which way a text goes, seen from here."""

    IN = "in"
    OUT = "out"


@dataclass(frozen=True, slots=True)
class Fact:
    """An event, and what its rows say beside it. ``direction`` and ``segments`` None: it is about no text. ``carried_by``: the
    number by which a text came, or leaves; it is in no record. ``provider`` and ``country`` are of that number, or of the one
    that the event is about; None: it is about none, or that is not here any more."""

    id: UUID
    account_id: UUID
    type: str
    at: datetime
    session_id: UUID | None = None
    participant_id: UUID | None = None
    message_id: UUID | None = None
    number_id: UUID | None = None
    carried_by: UUID | None = None
    verification_id: UUID | None = None
    rule_id: UUID | None = None
    reason: str | None = None
    direction: Direction | None = None
    segments: int | None = None
    provider: str | None = None
    country: str | None = None
    session_erased: bool = False

    @property
    def is_erased(self) -> bool:
        """Whether nobody may learn what it was: its session is erased. That it was erased may be known."""
        return self.session_erased and self.type != SESSION_ERASED


def direction_of(event_type: str, kind: MessageKind, *, on_arrival: bool) -> Direction:
    """Which way a text went that an event is about. ``on_arrival``: it happened when the text came to be known here."""
    arrives = event_type in ("message.received", "rule.matched") or (event_type == "message.refused" and on_arrival)
    return Direction.IN if arrives and kind is MessageKind.RELAY else Direction.OUT


@lru_cache(maxsize=8192)  # a text has several events, a session many
def reference(key: bytes, thing: Thing, row_id: UUID) -> str:
    """What stands for an id in records: 32 hexadecimal digits. Ids tell the millisecond they were made in, which records hide."""
    digest = hmac.digest(key, f"relay audit reference 1|{thing}|".encode() + row_id.bytes, sha256)
    return digest[:_REF_BYTES].hex()


def record_of(fact: Fact, key: bytes) -> bytes:
    """The record of an event, under the key that the account's references are made with. Never has it anything but words of ours,
    numbers and references."""
    refs = {
        Thing.SESSION: fact.session_id,
        Thing.PARTICIPANT: fact.participant_id,
        Thing.MESSAGE: fact.message_id,
        Thing.VERIFICATION: fact.verification_id,
    }
    said: dict[str, str | int | None] = {
        "schema": SCHEMA,
        "id": reference(key, Thing.ENTRY, fact.id),
        "time": written(coarsened(fact.type, fact.at)),
        "account": public(IdKind.ACCOUNT, fact.account_id),
        "event": fact.type,
        "reason": fact.reason,
        "direction": fact.direction,
        "segments": fact.segments,
        "provider": fact.provider,
        "country": fact.country,
        "number": None if fact.number_id is None else public(IdKind.NUMBER, fact.number_id),
        "rule": None if fact.rule_id is None else public(IdKind.RULE, fact.rule_id),
        **{thing: None if row_id is None else reference(key, thing, row_id) for thing, row_id in refs.items()},
    }
    return encoded({str(name): value for name, value in said.items() if value is not None})


def coarsened(event_type: str, at: datetime) -> datetime:
    """The time that a record tells: whole seconds, or the whole minute of what a person did. Always a time that has been."""
    at = at.astimezone(UTC).replace(microsecond=0)
    return at - timedelta(seconds=at.second) if event_type.startswith(_OF_PEOPLE) else at


def encoded(record: Record) -> bytes:
    """A record's bytes: JSON without white space, names sorted, in ASCII.

    Raises ValueError for a value that may not be in one.
    """
    for name, value in record.items():
        if isinstance(value, bool) or not (isinstance(value, int) or _VALUE.fullmatch(value)):
            raise ValueError(f"{name} of a record is neither a number nor a word")
    if not all(_WORDS.fullmatch(str(record[name])) for name in ("event", "reason") if name in record):
        raise ValueError("event and reason are words from closed lists")
    return json.dumps(dict(record), sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def decoded(record: bytes) -> Record:
    """Read a record. Raises EvidenceRefused when it is not spelled as ``encoded`` spells it, or lacks what every record has."""
    found = _read(record) if len(record) <= _LONGEST_RECORD else {}
    if not {"schema", "id", "time", "account", "event"} <= found.keys() or found["schema"] != SCHEMA:
        raise EvidenceRefused("this is not a record of this log", code="record_refused")
    if not _TIME.fullmatch(str(found["time"])):
        raise EvidenceRefused("a record's time is RFC 3339, UTC, whole seconds", code="record_refused")
    return found


def _read(record: bytes) -> dict[str, str | int]:
    """What is in a record; nothing when it is spelled otherwise."""
    try:
        found = json.loads(record)
        return found if isinstance(found, dict) and encoded(found) == record else {}
    except (ValueError, TypeError, RecursionError):
        return {}


def leaf_of(salt: bytes, record: bytes) -> bytes:
    """What stands for a record in the tree. The tree hashes it once more, as a leaf."""
    if len(salt) != SALT_BYTES:
        raise EvidenceRefused("a salt has 32 bytes", code="record_refused")
    return sha256(salt + record).digest()
