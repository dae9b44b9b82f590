"""The table of moves against the database: every statement that changes a state, on a text in every stage."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count

import pytest

from relay.core.arrival import Party
from relay.core.closing import Stopped, closing, stopped
from relay.core.delivery import FIRST, MOVES, Outcome, may_move
from relay.core.model import CloseReason, Reason, State
from relay.storage import endings, outbox, suppressions
from relay.storage.configuration import Pool
from relay.storage.database import Transaction
from tests.services.moves import message_moves
from tests.services.people import numbers, phone
from tests.services.rig import Rig, start_talk
from tests.storage.message_states import (
    STAGES,
    Step,
    Text,
    discard,
    door,
    expire,
    mark,
    park,
    receipt,
    retry,
    send_again,
    text_in,
)

people = count()


async def closed_door(tx: Transaction, text: Text) -> None:
    """The door when its session has expired: it refuses."""
    await tx.execute("update session set expires_at = $2 where id = $1", text.talk.id, tx.now)
    await door(tx, text)


async def late_door(tx: Transaction, text: Text) -> None:
    """The door after the text's deadline: it expires it."""
    await tx.execute("update outbox set deadline_at = $2 where message_id = $1", text.id, tx.now)
    await door(tx, text)


async def refuse(tx: Transaction, text: Text) -> None:
    await suppressions.stop(tx, text.bucket, [Stopped(text.id, State.REFUSED, Reason.OPTED_OUT)])


async def stop(tx: Transaction, text: Text) -> None:
    """What a STOP of the recipient does to what waits for them."""
    index = await tx.fetchval("select party_index from participant where session_id = $1 and slot = 2", text.talk.id)
    unsent = await suppressions.unsent_to(tx, text.bucket, Party(index, 1))
    await suppressions.stop(tx, text.bucket, stopped(unsent, Reason.OPTED_OUT))


def close(reason: CloseReason) -> Step:
    async def step(tx: Transaction, text: Text) -> None:
        decided = closing(reason, await endings.unsent(tx, text.bucket, text.talk.id))
        await endings.close(tx, text.bucket, text.talk.id, decided)

    return step


async def unknown_receipt(tx: Transaction, text: Text) -> None:
    """A word on an attempt that this message never had."""
    told = outbox.ReceiptOf(text.id, tx.new_id(text.bucket), State.DELIVERED)
    await outbox.write_receipts(tx, text.bucket, [told])


STATEMENTS: Mapping[str, Step] = {
    "door": door,
    "door of an expired session": closed_door,
    "door after the deadline": late_door,
    **{f"mark {outcome}": mark(outcome) for outcome in Outcome},
    **{f"receipt {word}": receipt(word) for word in (State.ACCEPTED, State.DELIVERED, State.UNDELIVERED)},
    "receipt of another attempt": unknown_receipt,
    "park": park(keep_text=True),
    "park without the text": park(keep_text=False),
    "send again": send_again,
    "expire": expire,
    "retry": retry,
    "discard": discard,
    "refuse": refuse,
    "close": close(CloseReason.API),
    "close by expiry": close(CloseReason.EXPIRED),
    "stop": stop,
}

#: From which state to which the statements that do not ask ``core.delivery`` may move a text.
ONLY: Mapping[str, set[tuple[State, State]]] = {
    "send again": {(State.SENDING, State.QUEUED)},
    "retry": {(State.PARKED, State.QUEUED)},
    "discard": {(State.PARKED, State.REFUSED)},
    "park": {(State.SENDING, State.PARKED)},
    "stop": {(State.QUEUED, State.REFUSED), (State.QUEUED, State.PARKED)},
    "close": {(State.QUEUED, State.REFUSED), (State.QUEUED, State.PARKED)},
    "mark not_sent": {(State.SENDING, State.QUEUED)},
    "mark not_begun": {(State.SENDING, State.QUEUED)},
    "mark ambiguous": set(),
    "receipt of another attempt": set(),
}


#: Statements that change more than one text: each needs a session of its own.
ALONE = {"door of an expired session", "close", "close by expiry", "stop"}


async def walk(rig: Rig, pool: Pool, statement: str) -> list[tuple[str, State, State]]:
    """One statement on a text in each stage: the stage, and the state before and after."""
    talk = await start_talk(rig, pool=pool, one=phone(next(people)), other=phone(next(people)))
    walked = []
    for stage in STAGES:
        if statement in ALONE:
            talk = await start_talk(rig, pool=pool, one=phone(next(people)), other=phone(next(people)))
        text = await text_in(talk, stage)
        before = await text.state()
        await apply(rig, text, STATEMENTS[statement])
        walked.append((stage, before, await text.state()))
    return walked


async def apply(rig: Rig, text: Text, step: Step) -> None:
    async with rig.relay.database.transaction() as tx:
        await step(tx, text)


async def test_texts_move_along_the_table_or_not_at_all_when_any_statement_meets_any_stage(rig: Rig) -> None:
    pool = await rig.pool("default", numbers(3))
    illegal = []
    for statement in STATEMENTS:
        for stage, before, after in await walk(rig, pool, statement):
            allowed = ONLY.get(statement, {(before, after)} if may_move(before, after) else set())
            if before is not after and (before, after) not in allowed:
                illegal.append((stage, statement, after))

    assert illegal == []
    made = set(await message_moves(rig.relay.database))
    assert {(before, after) for before, after in made if before is not None} == _legal()
    assert {after for before, after in made if before is None} == FIRST - {State.REFUSED}


def _legal() -> set[tuple[State, State]]:
    return {(before, after) for before, afters in MOVES.items() for after in afters}


#: A word on the first attempt while the second is under way, and where the text must stand then.
WORDS_ON_THE_FIRST = {
    "mark accepted": State.ACCEPTED,
    "mark refused": State.SENDING,
    "mark not_sent": State.SENDING,
    "receipt accepted": State.ACCEPTED,
    "receipt delivered": State.DELIVERED,
    "park": State.SENDING,
    "send again": State.SENDING,
}


@pytest.mark.parametrize(("statement", "after"), WORDS_ON_THE_FIRST.items())
async def test_only_acceptance_moves_a_text_when_the_word_is_on_an_attempt_before_its_newest(
    rig: Rig, statement: str, after: State
) -> None:
    text = await text_in(await start_talk(rig), "of unknown fate")
    first = text.attempt_id
    for step in (send_again, door):
        await apply(rig, text, step)
    text.attempt_id = first

    await apply(rig, text, STATEMENTS[statement])

    assert await text.state() is after


@pytest.mark.parametrize("statement", ["park", "park without the text", "send again"])
async def test_nobody_gives_a_text_up_when_its_attempt_is_still_under_way(rig: Rig, statement: str) -> None:
    text = await text_in(await start_talk(rig), "leaving")

    await apply(rig, text, STATEMENTS[statement])

    assert await text.state() is State.SENDING
    assert await rig.value("select phase from outbox") == "sending"
