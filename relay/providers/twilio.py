"""Twilio Programmable Messaging: credentials and the REST API of 2010-04-01, as pure functions, and the adapter.

Nothing here opens a socket, reads a clock or keeps a state. What Twilio sends to us is read in ``twilio_webhooks.py``,
its words and codes are in ``twilio_words.py``.

The danger: Twilio takes no idempotency key, so a send that is called certainly not taken, and was, arrives twice.
``read_send`` says so only on Twilio's own word, or where a request is turned away before it is looked at.

Source: https://www.twilio.com/docs/messaging/api/message-resource and the specification in twilio/twilio-oai on GitHub.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import urlencode

from relay.core.errors import InvalidInput, Problem, WebhookRefused
from relay.core.model import Reason
from relay.providers.base import (
    Accepted,
    Adapter,
    Ambiguous,
    Capabilities,
    Credentials,
    Found,
    HttpRequest,
    HttpResponse,
    NotSent,
    OutboundText,
    Refused,
    SendOutcome,
)
from relay.providers.twilio_webhooks import answer_call, read_inbound, read_receipt, verify_webhook
from relay.providers.twilio_words import REASONS, error_code, is_id, is_text, json_object, receipt

FIELDS: Mapping[str, str] = {
    "account_sid": "Account SID: AC and 32 hexadecimal digits, on the first page of the Twilio console.",
    "auth_token": "Auth token of that account. Twilio signs its webhooks with it.",
    "auth_token_secondary": "Optional: the other auth token while you rotate. Webhooks signed with it are taken, too.",
    "api_key_sid": "Optional: SID of an API key (SK and 32 hexadecimal digits) to send with instead of the auth token.",
    "api_key_secret": "Optional: the secret of that API key.",
    "shared_key": "Optional: the shared key, where you let Twilio sign webhooks with HMAC-SHA256.",
}
_NO_SUCH_MESSAGE = 20404
_SECRET = re.compile(r"[!-~]{1,256}")
_SHAPES = {"account_sid": re.compile(r"AC[0-9a-fA-F]{32}"), "api_key_sid": re.compile(r"SK[0-9a-fA-F]{32}")}


def check_credentials(credentials: Credentials) -> None:
    """Is this a set that Twilio could have given out? An optional one may be blank. Raises InvalidInput."""
    given = {name: value for name, value in credentials.items() if value}
    problems = [
        Problem(name, "required", f"is needed. {FIELDS[name]}")
        for name in ("account_sid", "auth_token")
        if name not in given
    ]
    if not given.keys() <= FIELDS.keys():
        problems.append(Problem("credentials", "unknown", f"may only hold {', '.join(FIELDS)}"))
    problems += [
        Problem(name, "malformed", f"does not look right. {FIELDS[name]}")
        for name in FIELDS
        if name in given and not _SHAPES.get(name, _SECRET).fullmatch(given[name])
    ]
    if ("api_key_sid" in given) != ("api_key_secret" in given):
        problems.append(Problem("api_key_sid", "incomplete", "and api_key_secret go together: give both or neither"))
    if problems:
        raise InvalidInput(*problems)


def build_send(credentials: Credentials, base_url: str, text: OutboundText) -> HttpRequest:
    """POST to Messages.json. It takes no idempotency key: sent twice is delivered twice."""
    form = {"To": text.to, "From": text.sender, "Body": text.text, "StatusCallback": text.callback_url}
    return HttpRequest(
        "POST",
        _messages_url(credentials, base_url),
        {**_authorization(credentials), "content-type": "application/x-www-form-urlencoded"},
        urlencode(form).encode(),
    )


def read_send(answer: HttpResponse) -> SendOutcome:
    """What became of a text, from the answer to ``build_send``. Raises nothing: what cannot be read is Ambiguous."""
    body = json_object(answer.body)
    if 200 <= answer.status < 300:
        sid = body.get("sid")
        return Accepted(sid) if is_id(sid) else Ambiguous()
    if 400 <= answer.status < 500:
        return _not_taken(answer, error_code(body.get("code")))
    return Ambiguous()


def build_find(credentials: Credentials, base_url: str, sender: str, to: str, since: datetime) -> HttpRequest:
    """List what was accepted from ``sender`` to ``to`` on the UTC day of ``since`` (aware) and later, newest first."""
    day = since.astimezone(UTC).date().isoformat()
    # The list filters by day, so the caller still compares the times.
    return _list_messages(credentials, base_url, {"To": to, "From": sender, "DateSent>": day, "PageSize": "100"})


def read_find(answer: HttpResponse) -> Sequence[Found]:
    """The texts of one page. An entry that cannot be read is left out, so that it does not hide the others.

    Raises WebhookRefused when the answer is not such a page.
    """
    messages = json_object(answer.body).get("messages")
    if answer.status != 200 or not isinstance(messages, list):
        raise WebhookRefused("The answer is not a list of messages.")
    return [found for message in messages if (found := _found(message))]


def build_redact(credentials: Credentials, base_url: str, provider_id: str) -> HttpRequest:
    """DELETE a message: text, both phones and media go. Twilio's own backups keep bodies for up to 30 days more."""
    url = _messages_url(credentials, base_url).removesuffix(".json")
    return HttpRequest("DELETE", f"{url}/{provider_id}.json", _authorization(credentials))


def read_redact(answer: HttpResponse) -> bool:
    """Gone, or not there any more. Error 20009 says that Twilio still works on it, at times for days."""
    if answer.status == 404:
        return error_code(json_object(answer.body).get("code")) == _NO_SUCH_MESSAGE
    return 200 <= answer.status < 300


def build_check(credentials: Credentials, base_url: str) -> HttpRequest:
    """List the messages of a day before Twilio existed: nobody's text comes back.

    Not the account itself, which standard API keys may not read (https://www.twilio.com/docs/iam/api-keys).
    """
    return _list_messages(credentials, base_url, {"DateSent": "2000-01-01", "PageSize": "1"})


def read_check(answer: HttpResponse) -> bool:
    """Were the credentials right? Raises WebhookRefused when the answer does not tell, as with 429 or 500."""
    if answer.status not in (200, 401, 403, 404):
        raise WebhookRefused("The answer does not tell whether the credentials are right.")
    return answer.status == 200


def _not_taken(answer: HttpResponse, code: int | None) -> SendOutcome:
    """Which kind of 4xx is it?

    Three ways lead to NotSent: too fast; trouble with the account, which the operator can put right while the text
    waits (Refused would throw away every text from the hour an auth token expires); and no word of Twilio's, but a
    status that is decided on URL and credentials alone. Any other 4xx that is not in Twilio's words may come from a
    gateway that gave up waiting for the answer (408 among them), so it proves nothing.
    """
    reason = REASONS.get(code or 0)
    if answer.status == 429 or reason is Reason.RATE_LIMITED:
        return NotSent(Reason.RATE_LIMITED, _retry_after(answer), throttled=True)
    if reason is Reason.PROVIDER_ACCOUNT or (reason is None and answer.status in (401, 403, 404)):
        return NotSent(Reason.PROVIDER_ACCOUNT, _retry_after(answer))
    if code is None:
        return Ambiguous()
    return Refused(reason or Reason.UNKNOWN)


def _retry_after(answer: HttpResponse) -> float | None:
    """Seconds (RFC 9110, 10.2.3). The other form, a date, would need a clock; then our own backoff decides."""
    seconds = answer.headers.get("retry-after", "")
    return float(seconds) if re.fullmatch("[0-9]{1,6}", seconds) else None


def _found(message: object) -> Found | None:
    if not isinstance(message, dict):
        return None
    sid, text, status, created = (message.get(name) for name in ("sid", "body", "status", "date_created"))
    if not (is_id(sid) and is_text(text) and is_text(status) and is_text(created)):
        return None
    try:
        at = datetime.strptime(created, "%a, %d %b %Y %H:%M:%S %z")  # RFC 2822, 3.3
    except ValueError:
        return None
    return Found(sid, text, at, receipt(sid, status, error_code(message.get("error_code"))))


def _list_messages(credentials: Credentials, base_url: str, query: Mapping[str, str]) -> HttpRequest:
    url = f"{_messages_url(credentials, base_url)}?{urlencode(query)}"
    return HttpRequest("GET", url, _authorization(credentials))


def _messages_url(credentials: Credentials, base_url: str) -> str:
    return f"{base_url.rstrip('/')}/2010-04-01/Accounts/{credentials['account_sid']}/Messages.json"


def _authorization(credentials: Credentials) -> dict[str, str]:
    """Basic authentication (RFC 7617) by the API key where there is one, since it can be revoked alone."""
    names = ("api_key_sid", "api_key_secret") if credentials.get("api_key_sid") else ("account_sid", "auth_token")
    user, secret = (credentials[name] for name in names)
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()}


ADAPTER = Adapter(
    name="twilio",
    base_url="https://api.twilio.com",
    capabilities=Capabilities(answers_stop=True, signs_webhooks=True, finds_messages=True, deletes_messages=True),
    fields=FIELDS,
    check_credentials=check_credentials,
    verify_webhook=verify_webhook,
    read_inbound=read_inbound,
    read_receipt=read_receipt,
    answer_call=answer_call,
    build_send=build_send,
    read_send=read_send,
    build_find=build_find,
    read_find=read_find,
    build_redact=build_redact,
    read_redact=read_redact,
    build_check=build_check,
    read_check=read_check,
)
