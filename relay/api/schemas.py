"""What callers send, as pydantic models: unknown fields, wrong types and control characters are refused, field by field."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from relay.api.answers import example_id
from relay.core.caps import MOST_DAILY
from relay.core.ids import IdKind
from relay.core.lifetime import LONGEST_COOL_DOWN, SHORTEST_COOL_DOWN
from relay.core.model import GeoFallback, GeoMatch, HoldReason
from relay.core.rules import LONGEST_KEYWORD, MOST_RULES
from relay.core.subject import OperatorReason
from relay.core.templates import MOST_VARIABLES

LONGEST_TEXT = 1600  # characters; more than any carrier takes in one message
LONGEST_NAME = 64  # characters

_PHONE = re.compile(r"\+(?:[ ./()-]*\d){7,15}")  # an order's number has no plus


def _one_line(value: str) -> str:
    if not value.isprintable():
        raise ValueError("must not contain control characters")
    return value


def no_phone(value: str) -> str:
    """What the API gives back must not be a place to leave a phone in: answers, events and logs would carry it on."""
    if _PHONE.search(unicodedata.normalize("NFKC", value)):
        raise ValueError("must not hold a phone")
    return value


def _text(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    if any(not c.isprintable() and c not in "\n\r\t" and ord(c) < 0x20 for c in value):
        raise ValueError("must not contain control characters other than line breaks and tabs")
    return value


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:  # at either end of the calendar a zone leads beyond it
        raise ValueError("must be a time that has a year in UTC") from None


Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME), AfterValidator(_one_line), AfterValidator(no_phone)]
Label = Annotated[str, Field(max_length=32), AfterValidator(_one_line), AfterValidator(no_phone)]
Note = Annotated[str, Field(max_length=200), AfterValidator(_one_line), AfterValidator(no_phone)]
Short = Annotated[str, Field(max_length=200), AfterValidator(_one_line)]
Text = Annotated[str, Field(max_length=LONGEST_TEXT), AfterValidator(_text)]
Phone = Annotated[str, Field(max_length=40, description="E.164, such as +12025550177")]
Country = Annotated[str, Field(pattern="^[A-Z]{2}$")]
Metadata = Annotated[dict[Name, Note], Field(max_length=10)]
ExpiresIn = Annotated[int, Field(ge=60, le=180 * 86400, description="seconds")]
IdleTimeout = Annotated[int, Field(ge=60, le=180 * 86400, description="seconds")]
CoolDown = Annotated[
    int,
    Field(ge=int(SHORTEST_COOL_DOWN.total_seconds()), le=int(LONGEST_COOL_DOWN.total_seconds()), description="seconds"),
]
ExpiringNotice = Annotated[int, Field(ge=0, le=7 * 86400, description="seconds before expires_at; 0 = no notice")]
Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
DailyCap = Annotated[int, Field(ge=0, le=MOST_DAILY, description="texts that may leave in a day; null = any number")]
TimeOfDay = Annotated[str, Field(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$", description="such as 21:00")]
Rate = Annotated[float, Field(gt=0, le=10_000, description="segments per second")]
#: Those for a hold and those for a person: which is for what, ``privacy`` says.
OPERATOR_REASONS = tuple(dict.fromkeys(str(word) for word in (*HoldReason, *OperatorReason)))


def _operator_reason(value: str) -> str:
    if value not in OPERATOR_REASONS:
        raise ValueError(f"must be one of: {', '.join(OPERATOR_REASONS)}")
    return value


OperatorReasonWord = Annotated[
    str, Field(json_schema_extra={"enum": list(OPERATOR_REASONS)}), AfterValidator(_operator_reason)
]


class Body(BaseModel):
    """A request body: exactly these fields, exactly these types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def shown_by(*examples: dict[str, Any]) -> ConfigDict:
    """How a body shows by examples what it takes. Each of them works: a test sends it."""
    return ConfigDict(json_schema_extra={"examples": list(examples)})


class ParticipantBody(Body):
    phone: Phone
    label: Label = ""
    verification_token: Annotated[str, Field(max_length=64)] | None = None
    proxy_number: Annotated[str, Field(max_length=40, description="of this pool; no other will do")] | None = None


class SessionBody(Body):
    model_config = shown_by(
        {
            "participants": [
                {"phone": "+12025550177", "label": "rider"},
                {"phone": "+12025550188", "label": "driver"},
            ],
            "pool": "default",
            "unique_name": "trip-991",
            "expires_in": 86400,
            "idle_timeout": 3600,
            "cool_down": 259200,
            "geo_match": "country",
            "metadata": {"order": "991"},
        }
    )

    participants: Annotated[tuple[ParticipantBody, ...], Field(min_length=2, max_length=2)]
    pool: Name = "default"
    unique_name: Name | None = None
    expires_in: ExpiresIn | None = None
    expires_at: Moment | None = None
    idle_timeout: IdleTimeout | None = None
    cool_down: CoolDown | None = None
    expiring_notice: ExpiringNotice | None = None
    geo_match: GeoMatch = GeoMatch.COUNTRY
    geo_fallback: GeoFallback = GeoFallback.STRICT
    greeting: Annotated[bool, Field(description="send each side a first text")] = False
    metadata: Metadata = {}


class SessionChangeBody(Body):
    model_config = shown_by({"expires_in": 7200, "metadata": {"order": "991"}})

    expires_in: ExpiresIn | None = None
    expires_at: Moment | None = None
    idle_timeout: IdleTimeout | None = None
    expiring_notice: ExpiringNotice | None = None
    metadata: Metadata | None = None


class EmptyBody(Body):
    model_config = shown_by({})


class TextBody(Body):
    """``text``, or a ``template`` by its id or name."""

    model_config = shown_by({"to": example_id(IdKind.PARTICIPANT), "text": "Your driver is here."})

    to: Annotated[str, Field(max_length=64)]
    text: Text | None = None
    template: Name | None = None
    variables: Annotated[dict[str, str], Field(max_length=MOST_VARIABLES)] | None = None
    send_at: Moment | None = None
    quiet_hours: Literal["respect", "ignore"] = "ignore"


class QuietHoursBody(Body):
    """By the clock of whoever gets the text; over midnight where ``to`` is earlier. The same twice: none."""

    since: Annotated[TimeOfDay, Field(alias="from")]
    until: Annotated[TimeOfDay, Field(alias="to")]


class AccountBody(Body):
    model_config = shown_by({"programme": "Rides", "help_contact": "help@rides.example", "on_ambiguous": "park"})

    programme: Short | None = None
    help_contact: Short | None = None
    language: Annotated[str, Field(max_length=8)] | None = None
    notices: Annotated[dict[Name, Text], Field(max_length=10)] | None = None
    on_ambiguous: Literal["park", "resend"] | None = None
    allowed_countries: Annotated[list[Country], Field(max_length=250)] | None = None
    default_expires_in: ExpiresIn | None = None
    default_idle_timeout: IdleTimeout | None = None
    default_cool_down: CoolDown | None = None
    default_expiring_notice: ExpiringNotice | None = None
    quiet_hours: QuietHoursBody | None = None
    daily_cap: DailyCap | None = None


class ConnectionBody(Body):
    model_config = shown_by(
        {"provider": "twilio", "credentials": {"account_sid": "AC" + "0" * 32, "auth_token": "0" * 32}}
    )

    provider: Name
    credentials: Annotated[dict[Name, Short], Field(max_length=10)]


class NumberBody(Body):
    model_config = shown_by({"number": "+12025550109", "pool": "default", "connection": example_id(IdKind.CONNECTION)})

    number: Phone
    country: Country | None = None
    pool: Name = "default"
    connection: Annotated[str, Field(max_length=64)]
    rate: Rate | None = None
    reserved: bool = False


class NumberChangeBody(Body):
    model_config = shown_by({"state": "reserved", "rate": 2.5})

    state: Literal["ready", "reserved", "draining", "quarantined", "unregistered"] | None = None
    rate: Rate | None = None


class PoolBody(Body):
    model_config = shown_by({"name": "night"})

    name: Name
    require_verified: bool = False


class RuleBody(Body):
    """``reply``, or ``event``, or both."""

    keyword: Annotated[str, Field(min_length=1, max_length=LONGEST_KEYWORD), AfterValidator(_one_line)]
    reply: Text | None = None
    event: Annotated[bool, Field(description="tell webhooks that it was said: rule.matched")] = False


class HookBody(Body):
    url: Annotated[str, Field(max_length=2000, description="https, port 443 or 8443, a public address")]
    timeout: Annotated[int, Field(ge=1, le=10, description="seconds")] = 3
    on_timeout: Literal["allow", "refuse"] = "refuse"


class StrangerHookBody(Body):
    url: Annotated[str, Field(max_length=2000, description="https, port 443 or 8443, a public address")]
    timeout: Annotated[int, Field(ge=1, le=10, description="seconds")] = 3


class HooksBody(Body):
    """What is not given stays as it is; null takes a hook away."""

    intercept: HookBody | None = None
    out_of_session: StrangerHookBody | None = None


class PoolChangeBody(Body):
    model_config = shown_by({"name": "noon"})

    name: Name | None = None
    require_verified: bool | None = None
    rules: Annotated[tuple[RuleBody, ...], Field(max_length=MOST_RULES)] | None = None
    hooks: HooksBody | None = None


class VerificationBody(Body):
    model_config = shown_by({"phone": "+12025550188", "purpose": "session"})

    phone: Phone
    purpose: Literal["session", "privacy"]
    pool: Name = "default"


class CheckBody(Body):
    model_config = shown_by({"code": "000000"})

    code: Annotated[str, Field(pattern="^[0-9]{6}$", description="six digits")]


class AuditExportBody(Body):
    """Entries dated within a time; all of them when none is given."""

    model_config = shown_by({"since": "2026-01-01T00:00:00Z"})

    since: Annotated[str, Field(max_length=40)] | None = None
    until: Annotated[str, Field(max_length=40)] | None = None


class PrivacyRequestBody(Body):
    """A hold is about a session, the others are about a person: which fields go together is for ``privacy`` to say."""

    model_config = shown_by(
        {"kind": "hold", "session": example_id(IdKind.SESSION), "operator_reason": "legal_claim"},
        {"kind": "access", "phone": "+12025550177", "operator_reason": "own_initiative"},
        {"kind": "erasure", "phone": "+12025550177", "operator_reason": "own_initiative"},
    )

    kind: Literal["hold", "access", "erasure"]
    session: Annotated[str, Field(max_length=64)] | None = None
    phone: Phone | None = None
    verification_token: Annotated[str, Field(max_length=64)] | None = None
    operator_reason: OperatorReasonWord | None = None
