"""A text in each state that a text can be in, brought there by the statements that bring it there in earnest.

``STAGES`` says how: each is a word, the state that its texts are in, and the steps after arrival.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from relay.core.delivery import Outcome
from relay.core.ids import bucket_of
from relay.core.model import Reason, State
from relay.services.inbound.departures import Closed
from relay.storage import messages, outbox
from relay.storage.database import Transaction
from relay.storage.outbox import Mark, ReceiptOf
from tests.services.rig import Talk
from tests.services.sockets import sockets_of


@dataclass(slots=True)
class Text:
    """One text from the first person of a talk to the second. ``attempt_id`` is its newest attempt, if there is any."""

    talk: Talk
    id: UUID
    attempt_id: UUID

    @property
    def bucket(self) -> int:
        return self.talk.bucket

    async def state(self) -> State:
        value = await self.talk.rig.value(
            "select state from message where bucket = $1 and id = $2", self.bucket, self.id
        )
        return State(str(value))


Step = Callable[[Transaction, Text], Awaitable[object]]


async def arrived(talk: Talk) -> Text:
    """A text that waits to be sent."""
    await talk.say("hello")
    newest = "select id from message where session_id = $1 order by leg_no desc limit 1"
    found = await talk.rig.value(newest, talk.id)
    assert isinstance(found, UUID)
    async with talk.rig.relay.database.transaction() as tx:
        return Text(talk, found, tx.new_id(talk.bucket))


async def born_leaving(talk: Talk) -> Text:
    """A text that leaves as soon as it has come in."""
    sockets = await sockets_of(talk)
    await talk.say("hello")
    talk.rig.relay.inbound.gate = Closed
    (intent,) = sockets.started
    return Text(talk, intent.passed.message_id, intent.passed.attempt_id)


async def door(tx: Transaction, text: Text) -> None:
    text.attempt_id = tx.new_id(text.bucket)
    await outbox.pass_door(tx, text.bucket, await text.talk.rig.epoch(text.bucket), {text.id: text.attempt_id})


def mark(outcome: Outcome) -> Step:
    """What became of the newest attempt."""
    reason = Reason.UNREACHABLE if outcome is Outcome.REFUSED else None

    async def step(tx: Transaction, text: Text) -> object:
        return await outbox.mark(tx, text.bucket, [Mark(text.attempt_id, text.id, outcome, reason=reason)])

    return step


def receipt(word: State) -> Step:
    """The provider's word on the newest attempt."""

    async def step(tx: Transaction, text: Text) -> object:
        return await outbox.write_receipts(tx, text.bucket, [ReceiptOf(text.id, text.attempt_id, word)])

    return step


def park(*, keep_text: bool) -> Step:
    async def step(tx: Transaction, text: Text) -> object:
        deadline = tx.now + timedelta(hours=72)
        return await outbox.park_ambiguous(tx, text.id, text.attempt_id, deadline=deadline, keep_text=keep_text)

    return step


async def send_again(tx: Transaction, text: Text) -> None:
    await outbox.send_again(tx, text.id, text.attempt_id)


async def expire(tx: Transaction, text: Text) -> None:
    await outbox.expire(tx, text.bucket, [text.id])


async def retry(tx: Transaction, text: Text) -> None:
    await messages.retry(tx, text.id, tx.new_id(bucket_of(text.id)), deadline=tx.now + timedelta(hours=4))


async def discard(tx: Transaction, text: Text) -> None:
    await messages.discard(tx, text.id, tx.new_id(bucket_of(text.id)), Reason.BLOCKED_BY_RULE)


_AMBIGUOUS = (door, mark(Outcome.AMBIGUOUS))
_PARKED = (*_AMBIGUOUS, park(keep_text=True))
_ACCEPTED = (door, mark(Outcome.ACCEPTED))

STAGES: Mapping[str, tuple[State, tuple[Step, ...]]] = {
    "leaving since it came": (State.SENDING, ()),  # the first: nothing of its leg may be ahead of it
    "waiting": (State.QUEUED, ()),
    "waiting after a failure": (State.QUEUED, (door, mark(Outcome.NOT_SENT))),
    "waiting to be sent twice": (State.QUEUED, (*_AMBIGUOUS, send_again)),
    "leaving": (State.SENDING, (door,)),
    "leaving for the second time": (State.SENDING, (*_AMBIGUOUS, send_again, door)),
    "of unknown fate": (State.SENDING, _AMBIGUOUS),
    "parked": (State.PARKED, _PARKED),
    "parked without its text": (State.PARKED, (*_AMBIGUOUS, park(keep_text=False))),
    "accepted": (State.ACCEPTED, _ACCEPTED),
    "delivered": (State.DELIVERED, (*_ACCEPTED, receipt(State.DELIVERED))),
    "undelivered": (State.UNDELIVERED, (*_ACCEPTED, receipt(State.UNDELIVERED))),
    "refused": (State.REFUSED, (door, mark(Outcome.REFUSED))),
    "discarded": (State.REFUSED, (*_PARKED, discard)),
    "expired": (State.EXPIRED, (expire,)),
    "expired while parked": (State.EXPIRED, (*_PARKED, expire)),
}


async def text_in(talk: Talk, stage: str) -> Text:
    """A text that has come to this stage."""
    state, steps = STAGES[stage]
    text = await (born_leaving if stage == "leaving since it came" else arrived)(talk)
    for step in steps:
        async with talk.rig.relay.database.transaction() as tx:
            await step(tx, text)
    assert await text.state() is state
    return text
