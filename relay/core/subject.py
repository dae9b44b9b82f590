"""One person asks what there is about them, or that it goes (GDPR articles 15, 17 and 20): who may ask, and the answer.

The document that they get has one rule: nothing in it is about the other person of a session. No phone is in it, not even their
own: whoever downloads it has a link and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from relay.core.data_class import DataClass
from relay.core.erasure import ALWAYS, Stays
from relay.core.ids import IdKind, public
from relay.core.model import Reason
from relay.core.times import written


class RequestKind(StrEnum):
    """What somebody asks about one person."""

    ACCESS = "access"
    ERASURE = "erasure"


class OperatorReason(StrEnum):
    """Why an operator asks for a person who did not prove the phone by a code. A word, because free text names people."""

    IDENTIFIED_OTHERWISE = "identified_otherwise"
    LEGAL_REPRESENTATIVE = "legal_representative"
    AUTHORITY_REQUEST = "authority_request"
    OWN_INITIATIVE = "own_initiative"


#: What an erasure by phone leaves. The same for everybody: what is said must not tell whether there was anything.
STAYS = (
    Stays(DataClass.HOLD, "a session on hold is left as it is while its hold stands"),
    Stays(DataClass.SESSION, "ids, times and the numbers used, for 90 days; without name, labels and metadata"),
    Stays(DataClass.PARTY_INDEX, "keyed hashes while numbers cool down, or a late text would reach a stranger"),
    Stays(DataClass.PERSON, "whether texts are wanted, by keyed hash, while a number cools down"),
    Stays(
        DataClass.MESSAGE,
        "a text that may have left, until it has ended; 90 days where a row does not say whose text it was",
    ),
    Stays(DataClass.AUTOMATIC_ANSWER, "when an automatic answer was given, by keyed hash: 24 hours"),
    *ALWAYS,
)

#: Reasons for which one's own text was refused that say something of whom it was for.
_OF_THE_OTHER = {Reason.OPTED_OUT, Reason.CARRIER_OPTED_OUT}


@dataclass(frozen=True, slots=True)
class Seat:
    """A session that the person is or was in, and their own place in it."""

    id: UUID
    participant_id: UUID
    label: str
    number_id: UUID
    phone_held: bool
    status: str
    unique_name: str | None
    metadata: Mapping[str, str]
    created_at: datetime
    expires_at: datetime
    last_message_at: datetime | None
    closed_at: datetime | None
    close_reason: str | None


@dataclass(frozen=True, slots=True)
class Said:
    """A text that the person sent or was sent, without its words."""

    id: UUID
    session_id: UUID | None
    from_participant: UUID | None
    kind: str
    state: str
    reason: str | None
    segments: int
    received_at: datetime
    accepted_at: datetime | None
    delivered_at: datetime | None


@dataclass(frozen=True, slots=True)
class Bound:
    """A number that knows the person. ``kept_until`` None: while its session is open."""

    number_id: UUID
    session_id: UUID
    kept_until: datetime | None


@dataclass(frozen=True, slots=True)
class Wish:
    """Whether the person wants texts. ``changed_at`` None: nothing was ever said. ``bounces``: how many notices in a row did not
    reach them; until ``silent_until`` they get none."""

    opted_out: bool
    changed_at: datetime | None
    bounces: int = 0
    silent_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """An automatic answer that the person got."""

    number_id: UUID
    kind: str
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Proved:
    """A code that the person was sent."""

    id: UUID
    purpose: str
    status: str
    reason: str | None
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Copied:
    """A copy that was made for the person before."""

    id: UUID
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Known:
    """Everything that one bucket holds about a person."""

    seats: Sequence[Seat] = ()
    said: Sequence[Said] = ()
    bound: Sequence[Bound] = ()
    wishes: Sequence[Wish] = ()
    answered: Sequence[Answered] = ()
    proved: Sequence[Proved] = ()
    copied: Sequence[Copied] = ()


def document(buckets: Sequence[Known], numbers: Mapping[UUID, str]) -> dict[str, Any]:
    """What there is about a person, as they get it. ``numbers``: the account's, by id."""
    seats = [seat for known in buckets for seat in known.seats]
    own = {seat.participant_id for seat in seats}
    texts: dict[UUID | None, list[dict[str, Any]]] = {}
    for one in (said for known in buckets for said in known.said):
        texts.setdefault(one.session_id, []).append(_text(one, own))
    return {
        "sessions": [_session(seat, numbers, texts.get(seat.id, [])) for seat in seats],
        "other_messages": texts.get(None, []),
        "numbers": [_bound(b, numbers) for known in buckets for b in known.bound],
        **_wish([wish for known in buckets for wish in known.wishes]),
        "automatic_answers": [_answered(a, numbers) for known in buckets for a in known.answered],
        "verifications": [_proved(p) for known in buckets for p in known.proved],
        "copies": [
            {"id": public(IdKind.REQUEST, c.id), "made_at": written(c.made_at)}
            for known in buckets
            for c in known.copied
        ],
    }


def _session(seat: Seat, numbers: Mapping[UUID, str], texts: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": public(IdKind.SESSION, seat.id),
        "status": seat.status,
        "unique_name": seat.unique_name,
        "label": seat.label,
        "proxy_number": numbers.get(seat.number_id),
        "phone_held": seat.phone_held,
        "metadata": dict(seat.metadata),
        "created_at": written(seat.created_at),
        "expires_at": written(seat.expires_at),
        "last_message_at": written(seat.last_message_at),
        "closed_at": written(seat.closed_at),
        "close_reason": seat.close_reason,
        "messages": texts,
    }


def _text(said: Said, own: set[UUID]) -> dict[str, Any]:
    sent = said.from_participant in own
    return {
        "id": public(IdKind.MESSAGE, said.id),
        "direction": "sent" if sent else "received",
        "kind": said.kind,
        "state": said.state,
        "reason": str(Reason.UNKNOWN) if sent and said.reason in _OF_THE_OTHER else said.reason,
        "segments": said.segments,
        "received_at": written(said.received_at),
        "accepted_at": written(said.accepted_at),
        "delivered_at": written(said.delivered_at),
    }


def _bound(bound: Bound, numbers: Mapping[UUID, str]) -> dict[str, Any]:
    return {
        "number": numbers.get(bound.number_id),
        "session": public(IdKind.SESSION, bound.session_id),
        "kept_until": written(bound.kept_until),
    }


def _wish(wishes: Sequence[Wish]) -> dict[str, Any]:
    """The newest word is the one that counts."""
    said = [(wish.changed_at, wish.opted_out) for wish in wishes if wish.changed_at is not None]
    changed_at, opted_out = max(said, default=(None, False))
    return {
        "opted_out": opted_out,
        "opt_out_changed_at": written(changed_at),
        "notices_not_delivered": max((wish.bounces for wish in wishes), default=0),
        "no_notices_until": written(max((wish.silent_until for wish in wishes if wish.silent_until), default=None)),
    }


def _answered(answered: Answered, numbers: Mapping[UUID, str]) -> dict[str, Any]:
    return {"number": numbers.get(answered.number_id), "kind": answered.kind, "at": written(answered.last_at)}


def _proved(proved: Proved) -> dict[str, Any]:
    return {
        "id": public(IdKind.VERIFICATION, proved.id),
        "purpose": proved.purpose,
        "status": proved.status,
        "reason": proved.reason,
        "sent_at": written(proved.created_at),
        "expires_at": written(proved.expires_at),
    }
