"""What the simulated carrier knows: texts, handsets, who blocked whom. Decides; does no HTTP and never waits.

Opt-out words follow Twilio's default handling: the carrier answers the person itself, still hands the text to the
webhook, and refuses later sends from that number to that person. Only what came through `accept` is in the ledger;
the carrier's own answers show on the handset alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from relay.sandbox.carrier.ledger import Ledger
from relay.sandbox.carrier.refusals import Refusal
from relay.sandbox.carrier.texts import Direction, Text, new_text_id, rfc3339
from relay.sandbox.carrier.weather import Config, Weather

_UNREACHABLE_HANDSET = 30003

_STOP_WORDS = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"})
_START_WORDS = frozenset({"START", "YES", "UNSTOP"})
_HELP_WORDS = frozenset({"HELP", "INFO"})

_STOPPED = "You are unsubscribed and get no more texts from this number. Text START to get them again."
_STARTED = "You are subscribed to this number again. Text HELP for help or STOP to end."
_HELP = "This is the carrier's help. Text STOP to get no more texts from this number."


@dataclass(frozen=True, slots=True)
class Send:
    """What the REST surface was asked to send, already checked for form."""

    sender: str
    recipient: str
    body: str
    callback: str | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """One line on a handset; `direction` is seen from its owner: `in` came to them, `out` was written by them."""

    direction: str
    peer: str
    text: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Deleted:
    """What is left of a record that a customer had deleted."""

    id: str
    direction: Direction
    at: datetime


class Network:
    """The carrier's memory. `weather` and `config` may be replaced at any time."""

    def __init__(self, *, ledger: Ledger, config: Config) -> None:
        self.weather = Weather()
        self.config = config
        self.ledger = ledger
        self._texts: dict[str, Text] = {}
        self._by_recipient: dict[str, dict[str, Text]] = {}
        self._deleted: dict[str, Deleted] = {}
        self._handsets: dict[str, list[Shown]] = {}
        self.withheld = 0  #: accepted sends that got no answer, or nonsense for one
        self._blocked: set[tuple[str, str]] = set()

    def now(self) -> datetime:
        """The carrier's time in UTC: the machine's, moved by the configured offset."""
        return datetime.now(UTC) + timedelta(seconds=self.config.now_offset_s)

    def accept(self, send: Send) -> Text:
        """Take a send over: ledger first, then the handset. Raise `Refusal` when weather or recipient forbids it."""
        if (code := self.weather.refuse.get(send.recipient)) is not None:
            raise Refusal(400, code, f"The message to {send.recipient} was refused.")
        if (send.sender, send.recipient) in self._blocked:
            raise Refusal(400, 21610)
        text = Text(
            id=new_text_id(),
            sender=send.sender,
            recipient=send.recipient,
            body=send.body,
            at=self.now(),
            direction="outbound-api",
            callback=send.callback,
            error_code=_UNREACHABLE_HANDSET if send.recipient in self.weather.unreachable else None,
        )
        self.ledger.append(text)
        self._keep(text)
        if text.error_code is None:
            self._show(text.recipient, Shown("in", text.sender, text.body, text.at))
        return text

    def receive(self, sender: str, recipient: str, body: str, *, media: int = 0, text_id: str | None = None) -> Text:
        """A person's phone texts a number: show it, act on opt-out words, and return what the webhook must be told.

        A `text_id` seen before makes this a repetition of that webhook, with whatever fields are given now: the person
        wrote nothing new, so neither handset nor opt-outs change.
        """
        text = Text(
            id=text_id or new_text_id(media=media),
            sender=sender,
            recipient=recipient,
            body=body,
            at=self.now(),
            direction="inbound",
            media=media,
        )
        if text.id not in self._texts and text.id not in self._deleted:
            self._keep(text)
            self._show(sender, Shown("out", recipient, body, text.at))
            self._heed_keyword(text)
        return text

    def text(self, text_id: str) -> Text | None:
        """The text of this id, in either direction, or None."""
        return self._texts.get(text_id)

    def texts(self, *, recipient: str | None) -> Iterator[Text]:
        """All texts, or those to `recipient`, newest first."""
        return reversed((self._texts if recipient is None else self._by_recipient.get(recipient, {})).values())

    def delete(self, text_id: str) -> bool:
        """Delete the record of a text, as a customer asks for it; False when there is none. Handsets keep what they show."""
        text = self._texts.pop(text_id, None)
        if text is None:
            return False
        self._by_recipient[text.recipient].pop(text_id)
        self._deleted[text_id] = Deleted(text_id, text.direction, self.now())
        self.ledger.delete(text_id, self.now())
        return True

    def records(self) -> dict[str, object]:
        """Which texts are on record, in either direction, and which were deleted."""
        deleted = [{"id": d.id, "direction": d.direction, "at": rfc3339(d.at)} for d in self._deleted.values()]
        return {"held": list(self._texts), "deleted": deleted}

    def phones(self) -> list[str]:
        """The phones that have a handset, in the order in which they were first seen."""
        return list(self._handsets)

    def handset(self, phone: str) -> list[dict[str, str]]:
        """What the handset of `phone` shows, oldest first; empty for a phone never seen."""
        return [
            {"direction": line.direction, "peer": line.peer, "text": line.text, "at": rfc3339(line.at)}
            for line in self._handsets.get(phone, [])
        ]

    def clear(self) -> None:
        """Forget texts, handsets and blocks, and the ledger's entries in memory; weather and config stay."""
        self.ledger.clear()
        for held in (self._texts, self._by_recipient, self._deleted, self._handsets, self._blocked):
            held.clear()

    def _keep(self, text: Text) -> None:
        self._texts[text.id] = text
        self._by_recipient.setdefault(text.recipient, {})[text.id] = text

    def _show(self, phone: str, line: Shown) -> None:
        self._handsets.setdefault(phone, []).append(line)

    def _heed_keyword(self, text: Text) -> None:
        word, pair = text.body.strip().upper(), (text.recipient, text.sender)
        answer = None
        # A second STOP, or a YES in ordinary talk, changes nothing and is answered by nothing.
        if word in _STOP_WORDS and pair not in self._blocked:
            self._blocked.add(pair)
            answer = _STOPPED
        elif word in _START_WORDS and pair in self._blocked:
            self._blocked.remove(pair)
            answer = _STARTED
        elif word in _HELP_WORDS:
            answer = _HELP
        if answer is not None:
            self._show(text.sender, Shown("in", text.recipient, answer, text.at))
