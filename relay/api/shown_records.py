"""What the API shows of people's data and of the audit log: ``/v1/privacy`` and ``/v1/audit``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, RootModel

from relay.api.answers import Address, Count, KeyId, Page, RequestId, SessionId, Shown, Time
from relay.api.shown import Stays
from relay.core.data_class import DataClass
from relay.core.model import HoldReason
from relay.core.subject import RequestKind

Sentence = Annotated[str, Field(description="in words", examples=["..."])]
ClassName = Annotated[DataClass, Field(description="a class of data", examples=["message"])]
Columns = Annotated[dict[str, list[str]], Field(description="table -> columns", examples=[{"message": ["state"]}])]


class Hold(Shown):
    """A session's record is kept beyond its period."""

    id: RequestId
    kind: Literal["hold"]
    session: SessionId
    operator_reason: Annotated[HoldReason, Field(examples=["legal_claim"])]
    placed_at: Time
    placed_by: KeyId


class Download(Shown):
    """Where it is fetched. Who has the address has the document."""

    url: Address
    expires_at: Annotated[Time, Field(examples=["2026-11-27T08:00:00Z"])]


class PersonRequest(Shown):
    """A request about one person, without saying about whom. ``stays`` and what follows: where it was made, for an erasure."""

    id: RequestId
    kind: RequestKind
    asked_at: Time
    download: Annotated[Download | None, Field(description="for access, until it expires")]
    stays: Annotated[list[Stays], Field(default_factory=list)]
    backups_unreadable_from: Time | None = None


class PrivacyRequest(RootModel[Hold | PersonRequest]):
    """A hold on a session, or a request about one person."""


class Holding(Shown):
    """How much there is of a class of data."""

    data_class: Annotated[ClassName, Field(alias="class")]
    kept_until: Sentence
    held: Count
    oldest_at: Time | None
    oldest_age: Annotated[int | None, Field(description="seconds", examples=[7200])]
    overdue: Annotated[int, Field(ge=0, description="past its period by more than an hour", examples=[0])]


class RetentionReport(Shown):
    """What is held, and what is overdue."""

    at: Time
    overdue: Annotated[int, Field(ge=0, examples=[0])]
    data: list[Holding]


class Activity(Shown):
    """What is done with a class of data."""

    data_class: Annotated[ClassName, Field(alias="class")]
    data: Sentence
    people: Sentence
    purpose: Sentence
    kept_until: Sentence
    period: Annotated[int | None, Field(description="seconds, where it is a period", examples=[7776000])]
    protection: Sentence
    columns: Columns


class Recipient(Shown):
    """Who else gets it."""

    provider: Annotated[str, Field(examples=["twilio"])]
    receives: Annotated[list[str], Field(examples=[["phone", "text"]])]


class ProcessingRecord(Shown):
    """The record of processing (GDPR article 30)."""

    controller: Annotated[str, Field(examples=["rides"])]
    activities: list[Activity]
    recipients: list[Recipient]


class Concerned(Shown):
    """What lay in a table in the window. null: not counted, ``counted`` says why."""

    table: Annotated[str, Field(examples=["message"])]
    data_class: Annotated[ClassName, Field(alias="class")]
    data: Sentence
    about: Sentence
    columns: Annotated[list[str], Field(examples=[["state", "reason"]])]
    protection: Sentence
    readable_without_keyring: Annotated[bool, Field(examples=[True])]
    kept_until: Sentence
    counted: Sentence
    records: Annotated[int | None, Field(examples=[2])]
    people: Annotated[int | None, Field(examples=[2])]
    sessions: Annotated[int | None, Field(examples=[1])]


class Affected(Shown):
    """Whom a leak concerns (GDPR article 33): counts, and sessions by id."""

    at: Time
    since: Annotated[Time | None, Field(alias="from")]
    until: Time
    data: list[Concerned]
    not_counted: Sentence
    sessions: Annotated[int, Field(ge=0, examples=[1])]
    session_ids: list[SessionId]
    next_cursor: Annotated[str | None, Field(examples=[None])]


class AuditEntry(Shown):
    """An entry of the log. ``record`` is the very text that was hashed, after the salt; null when it is erased."""

    index: Annotated[int, Field(ge=0, examples=[0])]
    id: Annotated[str, Field(pattern="^[0-9a-f]{32}$", examples=["0f6c8f5f5a3f4c0e9d1b7a6658e2c4d0"])]
    record: Annotated[str | None, Field(examples=['{"event":"session.opened"}'])]
    salt: Annotated[str | None, Field(description="base64", examples=["3q2+7w=="])]


class AuditEntryPage(Page[AuditEntry]):
    """Entries of the log, newest first."""


class AuditKey(Shown):
    """A key that has signed the log's heads."""

    number: Annotated[int, Field(ge=0, examples=[7])]
    key: Annotated[str, Field(description="as C2SP writes verifier keys", examples=["relay.example+6a1f+ATk..."])]
    first_size: Annotated[int, Field(ge=0, examples=[1])]
    first_at: Time


class AuditKeyPage(Page[AuditKey]):
    """All keys, oldest first."""


class AuditExport(Shown):
    """An evidence pack that was asked for, and where it is fetched."""

    id: RequestId
    asked_at: Time
    entries: Count
    download: Download
