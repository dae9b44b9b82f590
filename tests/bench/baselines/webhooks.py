"""What every build has to know of the carrier's webhooks: are they genuine, and which news may follow which. Pure."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping

_ON_THE_WAY = ("received", "accepted")

#: By the status that a receipt reports, the states it may follow. A receipt can come before the carrier's answer has been
#: marked, and after a later one: states go forward only. What is not listed changes nothing.
MAY_FOLLOW: Mapping[str, tuple[str, ...]] = {
    "sent": _ON_THE_WAY,
    "delivered": (*_ON_THE_WAY, "sent"),
    "undelivered": (*_ON_THE_WAY, "sent"),
    "failed": (*_ON_THE_WAY, "sent"),
}


def is_genuine(auth_token: str, url: str, form: Mapping[str, str], *, signature: str) -> bool:
    """Whether the carrier signed this form for this URL: base64 of HMAC-SHA1 over the URL and all fields by name.

    Source: https://www.twilio.com/docs/usage/webhooks/webhooks-security. Takes the same time whatever is wrong.
    """
    signed = url + "".join(name + form[name] for name in sorted(form))
    expected = base64.b64encode(hmac.digest(auth_token.encode(), signed.encode(), "sha1"))
    return hmac.compare_digest(expected, signature.encode())
