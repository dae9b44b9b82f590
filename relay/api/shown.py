"""What the API shows of sessions, messages, the account, connections, numbers, pools and verifications.

What it shows of privacy and of the audit log is in ``shown_records``; a resource of its own may keep its models beside its
routes.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from relay.api.answers import (
    E164,
    AccountId,
    ConnectionId,
    Count,
    MessageId,
    NumberId,
    Page,
    ParticipantId,
    PoolId,
    RuleId,
    Seconds,
    SessionId,
    Shown,
    Time,
    VerificationId,
    example_id,
)
from relay.api.shown_webhooks import PoolHooks
from relay.core.ids import IdKind
from relay.core.model import CloseReason, MessageKind, NumberState, OnAmbiguous, Reason, State, VerificationStatus
from relay.core.phone import NumberKind

Label = Annotated[str, Field(description="the caller's word for this person", examples=["rider"])]
PoolName = Annotated[str, Field(examples=["default"])]
Metadata = Annotated[dict[str, str], Field(description="what the caller noted", examples=[{"order": "991"}])]
Country = Annotated[str, Field(pattern="^([A-Z]{2}|001)?$", description="ISO 3166, where it has one", examples=["US"])]


class Participant(Shown):
    """A person in a session: never their phone."""

    id: ParticipantId
    label: Label
    proxy_number: Annotated[E164 | None, Field(description="the number that this person texts; null when it is gone")]
    opted_out: Annotated[bool, Field(examples=[False])]


class Session(Shown):
    """A masked conversation of two people."""

    id: SessionId
    status: Literal["open", "closed"]
    unique_name: Annotated[str | None, Field(examples=["trip-991"])]
    pool: PoolName
    metadata: Metadata
    created_at: Time
    expires_at: Annotated[Time, Field(examples=["2026-11-21T08:00:00Z"])]
    idle_timeout: Annotated[int | None, Field(description="seconds since the last text", examples=[3600])]
    cool_down: Annotated[int, Field(description="seconds", examples=[259200])]
    expiring_notice: Annotated[int | None, Field(description="seconds before its end", examples=[600])]
    last_message_at: Annotated[Time | None, Field(examples=[None])]
    closed_at: Annotated[Time | None, Field(examples=[None])]
    close_reason: Annotated[CloseReason | None, Field(examples=[None])]
    participants: Annotated[list[Participant], Field(min_length=2, max_length=2, examples=[[
        {"id": example_id(IdKind.PARTICIPANT), "label": "rider", "proxy_number": "+12025550101", "opted_out": False},
        {"id": example_id(IdKind.PARTICIPANT, 2), "label": "driver", "proxy_number": "+14155550106", "opted_out": False},
    ]])]  # fmt: skip


class SessionPage(Page[Session]):
    """Sessions, newest first."""


class Seat(Shown):
    """What one participant would be given."""

    label: Label
    proxy_number: E164


class DryRun(Shown):
    """What would be assigned. Nothing was."""

    pool: PoolName
    participants: list[Seat]


InFlight = Annotated[list[MessageId], Field(description="texts that may still arrive: they had begun to leave")]


class ClosedSession(Shown):
    """A session that is closed now, or was before."""

    session: Session
    in_flight: InFlight


class Stays(Shown):
    """Something that an erasure leaves, and why."""

    what: Annotated[str, Field(description="a data class", examples=["session"])]
    why: Annotated[str, Field(examples=["ids, times and the numbers used; without name, labels and metadata"])]
    until: Time | None


class ErasedSession(ClosedSession):
    """A session that is closed and emptied, and what of it is left."""

    stays: list[Stays]
    backups_unreadable_from: Annotated[Time | None, Field(description="when no backup can be read any more")]


class Message(Shown):
    """The metadata of one text. Its words are kept nowhere."""

    id: MessageId
    session: SessionId | None
    kind: MessageKind
    from_: Annotated[ParticipantId | None, Field(alias="from")]
    to: Annotated[ParticipantId | None, Field(examples=[example_id(IdKind.PARTICIPANT, 2)])]
    state: Annotated[State, Field(examples=["delivered"])]
    reason: Annotated[Reason | None, Field(description="why it stopped", examples=[None])]
    segments: Annotated[int, Field(ge=0, examples=[1])]
    received_at: Time
    send_at: Annotated[Time | None, Field(description="not before then", examples=[None])]
    accepted_at: Annotated[Time | None, Field(description="by the provider")]
    delivered_at: Time | None


class MessagePage(Page[Message]):
    """Messages of a session, newest first."""


class QuietHours(Shown):
    """When people are left in peace, by their own clock. The same twice: never."""

    from_: Annotated[str, Field(alias="from", pattern="^[0-2][0-9]:[0-5][0-9]$", examples=["21:00"])]
    to: Annotated[str, Field(pattern="^[0-2][0-9]:[0-5][0-9]$", examples=["08:00"])]


class AccountSettings(Shown):
    """The account."""

    id: AccountId
    name: Annotated[str, Field(examples=["rides"])]
    programme: Annotated[str, Field(description="how people know it: named in answers to HELP", examples=["Rides"])]
    help_contact: Annotated[str, Field(examples=["help@rides.example"])]
    language: Annotated[str, Field(examples=["en"])]
    notices: Annotated[
        dict[str, str], Field(description="own words for what Relay says", examples=[{"ended": "Over."}])
    ]
    on_ambiguous: OnAmbiguous
    allowed_countries: Annotated[list[Country], Field(description="empty: those of its numbers", examples=[["US"]])]
    default_expires_in: Seconds
    default_idle_timeout: Annotated[int | None, Field(description="seconds", examples=[3600])]
    default_cool_down: Annotated[Seconds, Field(examples=[259200])]
    default_expiring_notice: Annotated[int | None, Field(description="seconds before a session's end", examples=[600])]
    quiet_hours: QuietHours
    daily_cap: Annotated[
        int | None, Field(description="texts that may leave in a day, by UTC; null: any number", examples=[10000])
    ]
    created_at: Time


class Hooks(Shown):
    """Where the provider is to send what happens: below this installation's public address."""

    inbound: Annotated[str, Field(examples=[f"/hooks/{example_id(IdKind.CONNECTION)}/inbound"])]
    voice: Annotated[str, Field(examples=[f"/hooks/{example_id(IdKind.CONNECTION)}/voice"])]


class Connection(Shown):
    """Credentials at a provider: never the credentials themselves."""

    id: ConnectionId
    provider: Annotated[str, Field(examples=["twilio"])]
    created_at: Time
    hooks: Hooks


class ConnectionPage(Page[Connection]):
    """All connections."""


class ConnectionTest(Shown):
    """Whether the provider takes the credentials."""

    works: Annotated[bool, Field(examples=[True])]


class Number(Shown):
    """A virtual number."""

    id: NumberId
    number: E164
    country: Country
    kind: NumberKind
    pool: PoolName
    connection: ConnectionId
    state: NumberState
    rate: Annotated[float, Field(gt=0, description="segments per second", examples=[1.0])]
    in_use: Annotated[int, Field(ge=0, description="people who hold it", examples=[3])]
    created_at: Time


class NumberPage(Page[Number]):
    """Numbers, newest first."""


class KeywordRule(Shown):
    """A word that people may text to the pool's numbers, and what is answered."""

    id: RuleId
    keyword: Annotated[str, Field(examples=["where"])]
    reply: Annotated[str | None, Field(examples=["Your driver is near."])]
    event: Annotated[bool, Field(description="rule.matched is told when it is said", examples=[True])]


class Pool(Shown):
    """Numbers that sessions draw from."""

    id: PoolId
    name: PoolName
    status: Literal["ready", "preparing"]
    require_verified: Annotated[bool, Field(examples=[False])]
    rules: list[KeywordRule]
    hooks: PoolHooks
    created_at: Time


class PoolPage(Page[Pool]):
    """All pools."""


class FullPool(Pool):
    """A pool, and how full it is."""

    numbers: Annotated[
        dict[str, dict[NumberState, int]],
        Field(description="country -> state -> how many", examples=[{"US": {"ready": 20}}]),
    ]
    open_sessions: Count
    busiest_person: Annotated[int, Field(ge=0, description="numbers that the busiest person holds", examples=[1])]
    headroom: Annotated[int, Field(description="how many more sessions that person could be in", examples=[19])]


class StartedVerification(Shown):
    """A code is on its way."""

    id: VerificationId
    expires_at: Annotated[Time, Field(examples=["2026-11-20T08:05:00Z"])]


class CheckedVerification(Shown):
    """Whether it was the code. ``token`` is there when it was."""

    status: Annotated[VerificationStatus, Field(examples=["approved"])]
    token: Annotated[str, Field(description="good once, for fifteen minutes", examples=["AZqf2c3kfE2R..."])] = ""
