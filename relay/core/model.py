"""The closed word lists of Relay: the same words in code, tables, URLs and documents.

A word that is not here does not exist. The database repeats the lists that guard its rows as CHECK constraints, and a
test holds the two together.
"""

from __future__ import annotations

from enum import StrEnum


class MessageKind(StrEnum):
    """Why an SMS exists."""

    RELAY = "relay"  #: one person wrote it to the other
    PLATFORM = "platform"  #: the marketplace wrote it to one person
    NOTICE = "notice"  #: Relay itself answers somebody
    STOP_REPLY = "stop_reply"  #: the one confirmation allowed after STOP
    CODE = "code"  #: a one-time code that proves a phone


class State(StrEnum):
    """Where a message is on its way. Legal moves: ``relay.core.delivery``."""

    QUEUED = "queued"
    SENDING = "sending"
    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    REFUSED = "refused"
    PARKED = "parked"
    EXPIRED = "expired"


class Reason(StrEnum):
    """Why something stopped or changed. Providers' own words are mapped to these and never leave their adapter."""

    SESSION_CLOSED = "session_closed"
    SESSION_EXPIRED = "session_expired"
    PARTICIPANT_REPLACED = "participant_replaced"
    OPTED_OUT = "opted_out"
    UNKNOWN_NUMBER = "unknown_number"
    NO_SESSION = "no_session"
    LATE = "late"
    LOOP = "loop"
    OWN_NUMBER = "own_number"
    DUPLICATE = "duplicate"
    BLOCKED_BY_RULE = "blocked_by_rule"
    NOT_VERIFIED = "not_verified"
    COUNTRY_NOT_ALLOWED = "country_not_allowed"
    NUMBER_TYPE_REFUSED = "number_type_refused"
    TOO_LONG = "too_long"
    MEDIA_DROPPED = "media_dropped"
    INVALID_DESTINATION = "invalid_destination"
    UNREACHABLE = "unreachable"
    LANDLINE = "landline"
    CARRIER_FILTERED = "carrier_filtered"
    CARRIER_OPTED_OUT = "carrier_opted_out"
    CARRIER_REJECTED = "carrier_rejected"
    SENDER_NOT_REGISTERED = "sender_not_registered"
    RATE_LIMITED = "rate_limited"
    PROVIDER_UNAVAILABLE = "provider_unavailable"
    PROVIDER_ACCOUNT = "provider_account"
    AMBIGUOUS = "ambiguous"
    HOOK_REFUSED = "hook_refused"
    HOOK_TIMEOUT = "hook_timeout"
    DEADLINE = "deadline"
    ERASED = "erased"
    UNKNOWN = "unknown"


class CloseReason(StrEnum):
    """Why a session ended."""

    API = "api"
    EXPIRED = "expired"
    IDLE = "idle"
    ERASED = "erased"


class NumberState(StrEnum):
    """Whether a number may be given to new sessions. Only ``ready`` ones are."""

    READY = "ready"
    RESERVED = "reserved"
    DRAINING = "draining"
    QUARANTINED = "quarantined"
    UNREGISTERED = "unregistered"


class VerificationPurpose(StrEnum):
    """What a person proves their phone for. A proof for one thing is none for another."""

    SESSION = "session"  #: to be in a session of a pool that requires it
    PRIVACY = "privacy"  #: to ask for what is known about them


class VerificationStatus(StrEnum):
    """Where a verification is. The last two are ends."""

    PENDING = "pending"
    APPROVED = "approved"
    FAILED = "failed"  #: no code can be right any more: another one has to be sent


class Scope(StrEnum):
    """What an API key may do."""

    SESSIONS = "sessions"
    NUMBERS = "numbers"
    WEBHOOKS = "webhooks"
    PRIVACY = "privacy"
    AUDIT = "audit"
    ADMIN = "admin"


class OnAmbiguous(StrEnum):
    """What an account wants done with a send whose fate is unknown."""

    PARK = "park"
    RESEND = "resend"


class GeoMatch(StrEnum):
    """How near a proxy number must be to the person's own phone."""

    AREA_CODE = "area-code"
    COUNTRY = "country"
    ANY = "any"


class GeoFallback(StrEnum):
    """What to do when no number is as near as was asked."""

    STRICT = "strict"  #: give none
    NEAREST = "nearest"  #: give the nearest of all: the area code's, the country's, its calling code's, any


class HoldReason(StrEnum):
    """Why a session's record is kept beyond its period (GDPR article 18 and 17(3)). A word, because free text names people."""

    ACCURACY_CONTESTED = "accuracy_contested"
    PROCESSING_OPPOSED = "processing_opposed"
    LEGAL_CLAIM = "legal_claim"
    OBJECTION_PENDING = "objection_pending"
    AUTHORITY_REQUEST = "authority_request"
