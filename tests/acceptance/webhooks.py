"""A text as Twilio posts it to a webhook, signed: for whatever plays the carrier towards a real process."""

from __future__ import annotations

from urllib.parse import urlencode

from relay.sandbox.carrier.webhooks import sign
from tests.acceptance.processes import ACCOUNT_SID, AUTH_TOKEN


def text_webhook(url: str, *, sid: str, sender: str, number: str, text: str) -> tuple[dict[str, str], bytes]:
    """Headers and body of one text from ``sender`` to ``number``, posted to ``url``."""
    form = {
        "MessageSid": sid,
        "AccountSid": ACCOUNT_SID,
        "From": sender,
        "To": number,
        "Body": text,
        "NumMedia": "0",
    }
    return signed(AUTH_TOKEN, url, form)


def signed(auth_token: str, url: str, form: dict[str, str]) -> tuple[dict[str, str], bytes]:
    """Headers and body of a form."""
    kind = "application/x-www-form-urlencoded"
    return {"content-type": kind, "x-twilio-signature": sign(auth_token, url, form)}, urlencode(form).encode()
