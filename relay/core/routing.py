"""What becomes of a text that a person sent to one of our numbers.

The one place that decides who receives it. Facts in, decision out; whoever calls this has locked what the facts were
read from and writes the decision in the same transaction. The danger is a text at the wrong person: the recipient is
only ever the *other* participant of the session whose binding the sender used.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from relay.core.lifetime import Lifetime
from relay.core.model import Reason


class Notice(StrEnum):
    """What Relay itself tells a sender. At most one of a kind per number, person and day."""

    ENDED = "ended"  #: this conversation has ended
    UNDELIVERABLE = "undeliverable"  #: it could not be delivered; never why
    MEDIA = "media"  #: photos do not get through
    HELP = "help"


@dataclass(frozen=True, slots=True)
class Participant:
    """A person in a session. ``number_id`` is the number that they text, and see texts come from."""

    id: UUID
    live: bool
    number_id: UUID
    party_index: bytes
    opted_out: bool


@dataclass(frozen=True, slots=True)
class Conversation:
    """The session that the sender's binding names, as it stands under lock."""

    session_id: UUID
    open: bool
    lifetime: Lifetime
    sender_id: UUID
    participants: tuple[Participant, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """A text as it came. ``conversation`` is None where no binding joins this sender and this number."""

    at: datetime
    has_text: bool
    media: int = 0
    from_person: bool = True  #: False for short codes and words: no person can be answered there
    from_own_number: bool = False
    conversation: Conversation | None = None


@dataclass(frozen=True, slots=True)
class Forward:
    """Send it to this participant, from the number that they know."""

    session_id: UUID
    sender: Participant
    recipient: Participant
    notice: Notice | None = None


@dataclass(frozen=True, slots=True)
class Refuse:
    """Do not forward it. ``sender`` is set where a notice can be sent to them."""

    reason: Reason
    session_id: UUID | None = None
    sender: Participant | None = None
    notice: Notice | None = None


def route(facts: Facts) -> Forward | Refuse:
    """Decide what becomes of one text."""
    if facts.from_own_number:
        return Refuse(Reason.OWN_NUMBER)
    if not facts.from_person or facts.conversation is None:
        return Refuse(Reason.NO_SESSION)
    return _route_in(facts.conversation, facts)


def unreadable(decision: Forward) -> Refuse:
    """The recipient's phone does not open where it is stored: nobody is guessed at."""
    return Refuse(Reason.UNKNOWN, decision.session_id, decision.sender, Notice.UNDELIVERABLE)


def over_cap(decision: Forward) -> Refuse:
    """No more texts of this account may leave today. Its sender is told nothing: that would be one."""
    return Refuse(Reason.RATE_LIMITED, decision.session_id, decision.sender)


def _route_in(conversation: Conversation, facts: Facts) -> Forward | Refuse:
    sender = next(p for p in conversation.participants if p.id == conversation.sender_id)
    recipient = _other(conversation)

    def refuse(reason: Reason, notice: Notice | None) -> Refuse:
        return Refuse(reason, conversation.session_id, sender, notice)

    if not conversation.open or conversation.lifetime.ended(facts.at) or not sender.live or recipient is None:
        return refuse(Reason.LATE, Notice.ENDED)
    if recipient.opted_out:
        return refuse(Reason.OPTED_OUT, Notice.UNDELIVERABLE)
    if not facts.has_text:
        return refuse(Reason.MEDIA_DROPPED, Notice.MEDIA) if facts.media else refuse(Reason.UNKNOWN, None)
    return Forward(conversation.session_id, sender, recipient, Notice.MEDIA if facts.media else None)


def _other(conversation: Conversation) -> Participant | None:
    """The live participant who is not the sender. There are exactly two live ones in an open session."""
    return next((p for p in conversation.participants if p.live and p.id != conversation.sender_id), None)
