"""What Twilio sends to us: is it from Twilio and for this account, and what does it say. Pure functions.

Whatever garbage comes, it ends in a value or in ``WebhookRefused``, which quotes nothing of it.

The danger: a signature that is checked a little too kindly lets a stranger write into anybody's conversation. Twilio
signs no time, so a captured webhook verifies for ever; that a provider's id is taken once only is the caller's task.

Sources: https://www.twilio.com/docs/usage/webhooks/webhooks-security,
https://www.twilio.com/docs/messaging/guides/webhook-request, and for the hash settings header the validator in
Twilio's own Python package, which is the oracle of the tests.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from urllib.parse import parse_qs, parse_qsl

from relay.core.errors import WebhookRefused
from relay.core.phone import from_carrier
from relay.providers.base import Credentials, InboundText, Receipt, Webhook
from relay.providers.twilio_words import KEYWORDS, is_id, is_text, json_object, receipt

#: What X-Twilio-Webhooks-Signature-Settings names: a hash, and the credentials that may have signed with it.
_SCHEMES = {
    "HMAC_SHA1": ("sha1", ("auth_token", "auth_token_secondary")),
    "HMAC_SHA256": ("sha256", ("shared_key",)),
}
_URL = re.compile(r"(?P<scheme>https?)://(?P<host>[^/?#]+?)(?P<port>:[0-9]+)?(?P<rest>[/?#].*)?", re.DOTALL)
_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_MAX_FIELDS = 200  # an inbound text has about 25; thousands would only be work for us

# A NUL can be neither stored in PostgreSQL nor sent, and no phone shows the other control characters of ASCII.
_UNSHOWN = dict.fromkeys(code for code in range(32) if chr(code) not in "\t\n\r")

Fields = Sequence[tuple[str, str]]


def verify_webhook(credentials: Credentials, webhook: Webhook) -> None:
    """Raise WebhookRefused unless this account's Twilio signed exactly this request.

    A form is signed with its fields; of a JSON body the URL carries a SHA-256, and the URL is what is signed.
    """
    hash_name, names = _SCHEMES.get(_algorithm(webhook), ("", ()))
    # A blank secret must never sign: anybody knows it.
    secrets = [credentials[name].encode() for name in names if credentials.get(name)]
    fields = _fields(webhook)
    signed = "" if _is_json(webhook) else "".join(name + value for name, value in sorted(set(fields)))
    given = webhook.headers.get("x-twilio-signature", "").encode("utf-8", "replace")
    if not any(
        hmac.compare_digest(_signature(secret, url + signed, hash_name), given)
        for url in _with_and_without_port(webhook.url)
        for secret in secrets
    ):
        raise WebhookRefused("The signature is not one of this connection's secrets.")
    if _is_json(webhook) and not _hash_in_url_is_right(webhook):
        raise WebhookRefused("The body is not the one that was signed.")
    # Subaccounts share a webhook URL easily, and a text must not reach another tenant's conversation.
    if _one(fields, "AccountSid") != credentials["account_sid"]:
        raise WebhookRefused("The webhook is another account's.")


def read_inbound(webhook: Webhook) -> InboundText:
    """The text of a verified webhook, without the control characters that cannot be shown (all below U+0020 but tab,
    line feed and carriage return). Raises WebhookRefused."""
    fields = _fields(webhook)
    media = _one(fields, "NumMedia", default="") or "0"
    if not re.fullmatch("[0-9]{1,4}", media):
        raise WebhookRefused("NumMedia is not a count.")
    return InboundText(
        provider_id=_message_id(fields),
        sender=from_carrier(_one(fields, "From")),
        number=_one(fields, "To"),
        text=_one(fields, "Body").translate(_UNSHOWN),
        media=int(media),
        keyword=KEYWORDS.get(_one(fields, "OptOutType", default="")),
    )


def read_receipt(webhook: Webhook) -> Receipt:
    """What a verified status callback says. Raises WebhookRefused."""
    fields = _fields(webhook)
    code = _one(fields, "ErrorCode", default="")
    number = int(code) if re.fullmatch("[0-9]{1,9}", code) else None
    return receipt(_message_id(fields), _one(fields, "MessageStatus"), number)


def answer_call(sentence: str) -> tuple[bytes, str]:
    """TwiML that says the sentence and hangs up (https://www.twilio.com/docs/voice/twiml/say)."""
    # XML 1.0 has no way to write the control characters, not even escaped.
    said = html.escape(sentence.translate(_UNSHOWN), quote=False)
    return f'<?xml version="1.0" encoding="UTF-8"?><Response><Say>{said}</Say></Response>'.encode(), "text/xml"


def _is_json(webhook: Webhook) -> bool:
    return webhook.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


def _algorithm(webhook: Webhook) -> str:
    for part in webhook.headers.get("x-twilio-webhooks-signature-settings", "").split(","):
        name, _, value = part.partition("=")
        if name.strip() == "algorithm" and value.strip():
            return value.strip().upper()
    return "HMAC_SHA1"


def _signature(secret: bytes, signed: str, hash_name: str) -> bytes:
    return base64.b64encode(hmac.digest(secret, signed.encode("utf-8", "surrogatepass"), hash_name))


def _with_and_without_port(url: str) -> Iterator[str]:
    """Twilio signs now the one, now the other; its own validators accept both."""
    parts = _URL.fullmatch(url)
    if parts is None:
        raise WebhookRefused("The URL is not an HTTP one.")
    scheme, host, rest = parts["scheme"], parts["host"], parts["rest"] or ""
    port = parts["port"] or (":443" if scheme == "https" else ":80")
    yield f"{scheme}://{host}{rest}"
    yield f"{scheme}://{host}{port}{rest}"


def _hash_in_url_is_right(webhook: Webhook) -> bool:
    named = parse_qs(webhook.url.partition("?")[2]).get("bodySHA256", [""])[0]
    right = hashlib.sha256(webhook.body).hexdigest()
    return hmac.compare_digest(right.encode(), named.encode("utf-8", "replace"))


def _fields(webhook: Webhook) -> Fields:
    if "fields" not in webhook.read:
        webhook.read["fields"] = _json(webhook.body) if _is_json(webhook) else _form(webhook.body)
    return webhook.read["fields"]


def _json(body: bytes) -> Fields:
    return [(name, value) for name, value in json_object(body).items() if is_text(value)]


def _form(body: bytes) -> Fields:
    """All fields, the blank ones too: they are signed. The standard parser alone would pass broken escapes on as they
    stand and put U+FFFD for bytes that are no UTF-8, so that two bodies could be signed alike."""
    if not _BROKEN_ESCAPE.search(body):
        with suppress(ValueError):
            return parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
    # Out here, because the parser's error quotes the body and must not be the context of this one.
    raise WebhookRefused("The body is not a form in UTF-8.")


def _one(fields: Fields, name: str, *, default: str | None = None) -> str:
    values = {value for field, value in fields if field == name}
    if len(values) > 1:
        # The signature covers a set of values in no order: which of them is meant, a forger could choose.
        raise WebhookRefused(f"{name} is there twice and says two things.")
    if not values and default is None:
        raise WebhookRefused(f"{name} is missing.")
    return values.pop() if values else default or ""


def _message_id(fields: Fields) -> str:
    sid = _one(fields, "MessageSid")
    if not is_id(sid):
        raise WebhookRefused("MessageSid is not an id.")
    return sid
