"""What Relay asks of every SMS provider, and the words it understands in return.

An adapter is a set of pure functions over request and response values: it opens no socket, reads no clock, keeps no
state and knows nothing of accounts or sessions. It maps the provider's words to ours with a table and an explicit
default, and no word of the provider's leaves it. ``transport.py`` owns HTTP; services own the decisions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from relay.core.keywords import Keyword
from relay.core.model import Reason

Credentials = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request to a provider, ready to be written to a socket. ``url`` is absolute; a search has phones in it."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A provider's whole answer. Header names are in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Webhook:
    """A provider's request to us. ``url`` is the public one, as the provider signed it. Header names in lower case.

    ``read`` is for the adapter: what it has read of the body already, so that it need not read it twice.
    """

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    read: dict[str, Sequence[tuple[str, str]]] = field(init=False, default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a provider can do, as data. The service asks here, never by name."""

    send_key: bool = False  #: sending twice with one key is one text
    answers_stop: bool = False  #: it confirms STOP to the person itself, and refuses ours
    receipt_by_id: bool = False  #: receipts name its own id only, not our token
    signs_webhooks: bool = False
    signs_time: bool = False  #: what it signs includes when, and the adapter refuses what is old
    deletes_messages: bool = False  #: it can be told to delete its record of a text, with both phones
    finds_messages: bool = False  #: it can be asked what it accepted for (from, to, since)


@dataclass(frozen=True, slots=True)
class OutboundText:
    """One SMS to hand over. ``callback_url`` carries our token and is where receipts come."""

    sender: str = field(repr=False)
    to: str = field(repr=False)
    text: str = field(repr=False)
    callback_url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider took the text and named it."""

    provider_id: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class NotSent:
    """Certainly not taken; trying again later is safe. ``retry_after`` in seconds, when the provider said so.

    ``throttled`` means that we went too fast, so the number has to slow down.
    """

    reason: Reason
    retry_after: float | None = None
    throttled: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """Certainly not taken, and trying again would change nothing."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """It may have been taken. Never send it again on our own."""


SendOutcome = Accepted | NotSent | Refused | Ambiguous


@dataclass(frozen=True, slots=True)
class InboundText:
    """An SMS that a person sent to one of our numbers.

    ``sender`` is E.164, or None when it was a short code or a word. ``media`` counts the attachments that came with it.
    ``keyword`` is set when the provider itself took the text for an opt-out, opt-in or help.
    """

    provider_id: str = field(repr=False)
    sender: str | None = field(repr=False)
    number: str = field(repr=False)
    text: str = field(repr=False)
    media: int = 0
    keyword: Keyword | None = None


class ReceiptWord(StrEnum):
    """A provider's later word on a message, in ours."""

    ACCEPTED = "accepted"  #: on its way; it proves that the provider has it
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    UNKNOWN = "unknown"  #: a word we do not know: nothing follows from it


@dataclass(frozen=True, slots=True)
class Receipt:
    """``reason`` is set when the word is ``undelivered``."""

    provider_id: str = field(repr=False)
    word: ReceiptWord
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One text that the provider says it accepted, found by looking for (from, to, since)."""

    provider_id: str = field(repr=False)
    text: str = field(repr=False)
    at: datetime
    outcome: Receipt


@dataclass(frozen=True, slots=True)
class Adapter:
    """One provider. Every function is pure; all may raise ``WebhookRefused`` where they read what a provider sent.

    ``fields``            the credentials it needs: name -> a sentence for the person who types them in
    ``check_credentials`` raises InvalidInput naming what is wrong
    ``verify_webhook``    raises WebhookRefused unless one of the secrets in the credentials signed exactly this request
    ``read_inbound``      the text of a verified webhook
    ``read_receipt``      the receipt of a verified webhook
    ``answer_call``       body and content type that make a caller hear a sentence
    ``build_send``        the request for one text; the base URL is given, so that a simulated carrier can stand in
    ``read_send``         what became of it, from the provider's whole answer
    ``build_find``        a request that lists what was accepted for (sender, to) since a time; where finds_messages
    ``read_find``         the texts it lists
    ``build_redact``      a request to delete the record of one text, by the provider's id of it; where deletes_messages
    ``read_redact``       is that record gone? No answer, and no word that says so, counts as no
    ``build_check``       a harmless authenticated request; ``read_check`` says whether the credentials are right
    """

    name: str
    base_url: str
    capabilities: Capabilities
    fields: Mapping[str, str]
    check_credentials: Callable[[Credentials], None]
    verify_webhook: Callable[[Credentials, Webhook], None]
    read_inbound: Callable[[Webhook], InboundText]
    read_receipt: Callable[[Webhook], Receipt]
    answer_call: Callable[[str], tuple[bytes, str]]
    build_send: Callable[[Credentials, str, OutboundText], HttpRequest]
    read_send: Callable[[HttpResponse], SendOutcome]
    build_find: Callable[[Credentials, str, str, str, datetime], HttpRequest]
    read_find: Callable[[HttpResponse], Sequence[Found]]
    build_redact: Callable[[Credentials, str, str], HttpRequest]
    read_redact: Callable[[HttpResponse], bool]
    build_check: Callable[[Credentials, str], HttpRequest]
    read_check: Callable[[HttpResponse], bool]
