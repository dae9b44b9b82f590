"""Twilio's words, error codes and ids, and what each means in ours. Tables and how to look things up in them.

Twilio adds words and codes without notice, so every look-up has a default and none raises. The danger is a code in the
wrong class: ``RATE_LIMITED`` and ``PROVIDER_ACCOUNT`` make a text wait and be sent again, every other reason ends it.

Sources: https://www.twilio.com/docs/api/errors (a page per code), the message states of
https://www.twilio.com/docs/messaging/api/message-resource, and for OptOutType
https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TypeGuard

from relay.core.keywords import Keyword
from relay.core.model import Reason
from relay.providers.base import Receipt, ReceiptWord

#: ``MessageStatus`` of a status callback and ``status`` of a message in the REST API.
STATUSES: Mapping[str, ReceiptWord] = {
    "accepted": ReceiptWord.ACCEPTED,
    "scheduled": ReceiptWord.ACCEPTED,
    "queued": ReceiptWord.ACCEPTED,
    "sending": ReceiptWord.ACCEPTED,
    "sent": ReceiptWord.ACCEPTED,
    "delivered": ReceiptWord.DELIVERED,
    "read": ReceiptWord.DELIVERED,
    "undelivered": ReceiptWord.UNDELIVERED,
    "failed": ReceiptWord.UNDELIVERED,
    "canceled": ReceiptWord.UNDELIVERED,
}

#: ``OptOutType`` of an inbound text, there only where Advanced Opt-Out is switched on.
KEYWORDS: Mapping[str, Keyword] = {
    "STOP": Keyword.STOP,
    "START": Keyword.START,
    "HELP": Keyword.HELP,
}

#: Error codes of the REST API (1xxxx, 2xxxx) and of status callbacks (3xxxx, 63xxx).
REASONS: Mapping[int, Reason] = {
    # Of the number or the account there was too much at once. 21611: the number's own queue at Twilio is full.
    14107: Reason.RATE_LIMITED,
    20429: Reason.RATE_LIMITED,
    21611: Reason.RATE_LIMITED,
    30001: Reason.RATE_LIMITED,
    30022: Reason.RATE_LIMITED,  # 10DLC throughput
    30023: Reason.RATE_LIMITED,  # 10DLC daily cap
    63017: Reason.RATE_LIMITED,
    # The operator has something to put right at Twilio; nothing is wrong with the text or with the person's phone.
    10001: Reason.PROVIDER_ACCOUNT,  # not active
    10002: Reason.PROVIDER_ACCOUNT,  # a trial account may not do this
    20003: Reason.PROVIDER_ACCOUNT,  # credentials refused
    20005: Reason.PROVIDER_ACCOUNT,  # not active
    20006: Reason.PROVIDER_ACCOUNT,  # access denied
    20404: Reason.PROVIDER_ACCOUNT,  # no such account
    21212: Reason.PROVIDER_ACCOUNT,  # From is no number
    21606: Reason.PROVIDER_ACCOUNT,  # From is not this account's, or takes no texts
    21608: Reason.PROVIDER_ACCOUNT,  # a trial account, and To not verified with it
    21659: Reason.PROVIDER_ACCOUNT,  # From is not at Twilio
    21660: Reason.PROVIDER_ACCOUNT,  # From is another account's
    21661: Reason.PROVIDER_ACCOUNT,  # From takes no texts
    30002: Reason.PROVIDER_ACCOUNT,  # suspended
    70051: Reason.PROVIDER_ACCOUNT,  # the API key lacks a permission
    # The person's phone.
    21211: Reason.INVALID_DESTINATION,
    21604: Reason.INVALID_DESTINATION,
    30005: Reason.INVALID_DESTINATION,
    21612: Reason.UNREACHABLE,  # no route between this From and this To
    30003: Reason.UNREACHABLE,
    21614: Reason.LANDLINE,
    21635: Reason.LANDLINE,
    30006: Reason.LANDLINE,
    21408: Reason.COUNTRY_NOT_ALLOWED,
    21610: Reason.CARRIER_OPTED_OUT,
    # The text, and what carriers make of it.
    21617: Reason.TOO_LONG,
    30004: Reason.CARRIER_REJECTED,
    30007: Reason.CARRIER_FILTERED,
    30032: Reason.SENDER_NOT_REGISTERED,  # toll-free not verified
    30034: Reason.SENDER_NOT_REGISTERED,  # 10DLC number without a campaign
    30008: Reason.UNKNOWN,  # Twilio's own "unknown"
}

_ID = re.compile(r"[0-9A-Za-z]{1,64}")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def is_id(value: object) -> TypeGuard[str]:
    """Can this be a SID? The two letters in front are not looked at: Twilio adds kinds."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def is_text(value: object) -> TypeGuard[str]:
    """Is this text that can be stored and sent? JSON can spell half of a surrogate pair, UTF-8 cannot."""
    return isinstance(value, str) and not _SURROGATE.search(value)


def error_code(value: object) -> int | None:
    """The error code in an answer, if that is one. ``true`` is an int to Python and no code to Twilio."""
    return value if type(value) is int else None


def receipt(provider_id: str, status: str, code: int | None) -> Receipt:
    """A status, and the error code beside it where there is one, as a receipt."""
    word = STATUSES.get(status, ReceiptWord.UNKNOWN)
    if word is not ReceiptWord.UNDELIVERED:
        return Receipt(provider_id, word)
    return Receipt(provider_id, word, REASONS.get(code or 0, Reason.UNKNOWN))


def json_object(body: bytes) -> dict[str, object]:
    """The JSON object in a body; empty when there is none."""
    try:
        value = json.loads(body.decode())
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
