"""The forms that the simulated carrier posts to the relay, and their signature. Pure: values in, values out.

Field names and order of events are Twilio's. Fields without a value are posted blank, not left out, as Twilio does: a
verifier that drops blanks computes another signature. Sources:
https://www.twilio.com/docs/messaging/guides/webhook-request,
https://www.twilio.com/docs/messaging/guides/outbound-message-status-in-status-callbacks,
https://www.twilio.com/docs/usage/webhooks/webhooks-security.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from relay.sandbox.carrier.texts import Text, segments

API_VERSION = "2010-04-01"

Form = dict[str, str]

_PLACE = {f"{end}{part}": "" for end in ("From", "To") for part in ("City", "State", "Zip", "Country")}


@dataclass(frozen=True, slots=True)
class Account:
    """The one account of this carrier: its sid, and the token that signs webhooks and opens the REST surface."""

    sid: str
    auth_token: str = field(repr=False)


def sign(auth_token: str, url: str, form: Mapping[str, str]) -> str:
    """The value of X-Twilio-Signature: base64 of HMAC-SHA1 over the URL and every name and value, sorted by name."""
    signed = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.digest(auth_token.encode(), signed.encode(), "sha1")).decode()


def text_form(account: Account, text: Text, *, media_base: str) -> Form:
    """The webhook for an inbound text. `media_base` is the carrier's own address, under which media would lie."""
    form = {
        "AccountSid": account.sid,
        "ApiVersion": API_VERSION,
        "Body": text.body,
        "From": text.sender,
        "MessageSid": text.id,
        "NumMedia": str(text.media),
        "NumSegments": str(segments(text.body)),
        "SmsMessageSid": text.id,
        "SmsSid": text.id,
        "SmsStatus": "received",
        "To": text.recipient,
    }
    folder = f"{media_base}/{API_VERSION}/Accounts/{account.sid}/Messages/{text.id}/Media"
    for n in range(text.media):
        form[f"MediaContentType{n}"] = "image/jpeg"
        form[f"MediaUrl{n}"] = f"{folder}/ME{secrets.token_hex(16)}"
    return form | _PLACE


def call_form(account: Account, caller: str, called: str) -> Form:
    """The webhook for an incoming call that is ringing now."""
    form = {
        "AccountSid": account.sid,
        "ApiVersion": API_VERSION,
        "CallSid": "CA" + secrets.token_hex(16),
        "CallStatus": "ringing",
        "Called": called,
        "Caller": caller,
        "Direction": "inbound",
        "From": caller,
        "To": called,
    }
    return form | _PLACE


def receipt_forms(account: Account, text: Text) -> list[Form]:
    """The two receipts of an outbound text in their natural order: `sent`, then `delivered` or `undelivered`."""
    shared = {
        "AccountSid": account.sid,
        "ApiVersion": API_VERSION,
        "From": text.sender,
        "MessageSid": text.id,
        "SmsSid": text.id,
        "To": text.recipient,
    }
    last = {"MessageStatus": text.status, "SmsStatus": text.status, "RawDlrDoneDate": f"{text.at:%y%m%d%H%M}"}
    if text.error_code is not None:
        last["ErrorCode"] = str(text.error_code)
    return [shared | {"MessageStatus": "sent", "SmsStatus": "sent"}, shared | last]
