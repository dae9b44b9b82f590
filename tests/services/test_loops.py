"""Loops and storms: phones that answer each other, relays that forward to each other, and people who may go on writing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID

import pytest

from relay.services.inbound import Taken
from relay.storage import database
from relay.storage.database import Database
from tests.databases import Databases
from tests.services.moves import watched_moves
from tests.services.people import ALICE, BOB, numbers, phone
from tests.services.rig import Rig, Talk, make_rig, start_talk
from tests.services.sockets import sockets_of

_LIMITS: dict[str, Any] = {"leg_rate": 30, "leg_repeats": 5, "person_rate": 60}


@pytest.fixture
async def rig(db: Database) -> AsyncIterator[Rig]:
    """With the limits that an installation has."""
    async with watched_moves(db):
        yield await make_rig(db, answers=None, **_LIMITS)


async def parked(rig: Rig) -> int:
    rows = await rig.rows("select reason from message where state = 'parked'")
    assert {row["reason"] for row in rows} <= {"loop"}
    return len(rows)


async def test_at_most_ten_texts_leave_when_two_phones_answer_by_themselves(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("hello")
    for _ in range(40):
        answered = await _answer_by_themselves(talk)
        if not answered:
            break

    assert len(rig.carrier.sent) <= 10
    assert await parked(rig) == 1


async def _answer_by_themselves(talk: Talk) -> bool:
    """Whoever got a text says that they are driving."""
    before = len(talk.rig.carrier.sent)
    await talk.rig.send_all(talk.bucket)
    for sent in talk.rig.carrier.sent[before:]:
        slot = 1 if sent.to == talk.one else 2
        await talk.say("I am driving and will answer later.", slot=slot)
    return len(talk.rig.carrier.sent) > before


async def test_the_fifth_of_the_same_is_parked_and_the_rest_goes_on_when_it_is_said_within_a_minute(rig: Rig) -> None:
    talk = await start_talk(rig)
    for text in ("ok", "ok", "on my way", "ok", "ok", "ok", "there", "ok"):
        assert await talk.say(text) is Taken.FORWARDED
    await talk.say("ok", slot=2)
    await rig.send_all(talk.bucket)

    assert [text.text for text in rig.carrier.sent if text.to == BOB] == ["ok", "ok", "on my way", "ok", "ok", "there"]
    assert [text.text for text in rig.carrier.sent if text.to == ALICE] == ["ok"]
    assert await parked(rig) == 2
    events = await rig.rows("select type, reason from event where type = 'message.parked'")
    assert [(row["type"], row["reason"]) for row in events] == [("message.parked", "loop")] * 2


async def test_a_parked_text_leaves_when_somebody_sends_it_again(rig: Rig) -> None:
    talk = await start_talk(rig)
    for _ in range(5):
        await talk.say("ok")
    await rig.send_all(talk.bucket)
    stopped = await rig.value("select id from message where state = 'parked'")
    assert isinstance(stopped, UUID)
    await rig.relay.texts.retry(rig.account, stopped, await rig.seed())
    await rig.send_all(talk.bucket)

    assert [text.text for text in rig.carrier.sent] == ["ok"] * 5


async def test_a_text_is_counted_before_it_leaves_when_it_could_leave_at_once(rig: Rig) -> None:
    talk = await start_talk(rig)
    sockets = await sockets_of(talk)
    for _ in range(6):
        begun = len(sockets.started)
        await talk.say("ok")
        for intent in sockets.started[begun:]:
            await rig.hand_over(talk.bucket, intent)
        await rig.send_all(talk.bucket)

    assert len(sockets.started) == 1
    assert [text.text for text in rig.carrier.sent] == ["ok"] * 4
    assert await parked(rig) == 2


async def test_nothing_is_parked_when_the_same_is_said_now_and_then(rig: Rig) -> None:
    talk = await start_talk(rig)
    for _ in range(12):
        await talk.say("ok")
        rig.later(seconds=16)

    assert await parked(rig) == 0


async def test_more_than_thirty_a_minute_wait_when_a_person_does_not_stop(rig: Rig) -> None:
    talk = await start_talk(rig)
    texts = [talk.arrived(f"text {n}") for n in range(20)]
    await rig.relay.inbound.take(talk.bucket, texts)
    for n in range(20, 34):
        await talk.say(f"text {n}")
    await talk.say("what is it?", slot=2)
    full = await parked(rig)
    rig.later(seconds=61)
    await talk.say("calm again")

    assert full == 4
    assert await parked(rig) == 4


async def test_more_than_sixty_a_minute_wait_when_one_person_says_them_in_many_sessions(rig: Rig) -> None:
    first = await start_talk(rig)
    talks = [first, *[await start_talk(rig, pool=first.pool, other=phone(n)) for n in range(2)]]
    for n in range(25):
        for talk in talks:
            await talk.say(f"text {n}")
    await first.say("yes?", slot=2)

    waiting = await rig.rows("select state, count(*) as n from message group by state order by state")
    assert [(row["state"], row["n"]) for row in waiting] == [("parked", 15), ("queued", 61)]


async def test_the_limit_holds_when_two_processes_take_the_texts_in(rig: Rig, db: Database) -> None:
    """Each has seen only half; what it has seen makes it count in the database."""
    talk = await start_talk(rig)
    ring = rig.relay.vault
    other = await make_rig(db, answers=None, **_LIMITS)
    twin = other.relay.inbound
    twin.vault = ring
    for n in range(10):
        inbound = (rig.relay.inbound, twin)[n % 2]
        await inbound.take(talk.bucket, [talk.arrived("ok")])
    for n in range(40):
        inbound = (rig.relay.inbound, twin)[n % 2]
        await inbound.take(talk.bucket, [talk.arrived(f"text {n}", slot=2)])

    waiting = await rig.rows("select to_participant, count(*) as n from message where state = 'queued' group by 1")
    by_slot = {row["to_participant"]: row["n"] for row in waiting}
    assert by_slot[talk.view.participants[1].id] == 5  # one more than alone: each saw a first
    assert by_slot[talk.view.participants[0].id] == 30


async def test_at_most_ten_texts_leave_when_two_relays_forward_to_each_other(rig: Rig, other_db: Database) -> None:
    """Each has a session of two people who are both numbers of the other: what one sends, the other takes for a person's."""
    far = await make_rig(other_db, answers=None, **_LIMITS)
    ours, theirs = numbers(2), numbers(2, start=20)
    here, there = await _facing(rig, ours, theirs), await _facing(far, theirs, ours)

    await here.say("echo")
    total = 0
    while moved := await _carry(here, there) + await _carry(there, here):
        total += moved
        assert total <= 10

    assert total >= 8
    assert await parked(rig) + await parked(far) == 1


async def test_two_texts_leave_when_two_relays_tell_each_other_that_it_is_over(rig: Rig, other_db: Database) -> None:
    """An automatic answer never answers an automatic answer."""
    far = await make_rig(other_db, answers=None, **_LIMITS)
    ours, theirs = numbers(2), numbers(2, start=20)
    here, there = await _facing(rig, ours, theirs), await _facing(far, theirs, ours)
    for talk in (here, there):
        await talk.rig.relay.sessions.close(talk.rig.account, talk.id)

    await here.say("are you there?")
    total = 0
    while moved := await _carry(here, there) + await _carry(there, here):
        total += moved
        assert total <= 10

    assert total == 1
    assert await far.states() == [("refused", "late")]


async def _facing(rig: Rig, own: list[str], others: list[str]) -> Talk:
    """A session of the other's two numbers, the first of which texts our first, the second our second."""
    pool = await rig.pool("default", own)
    for _ in range(50):
        view = await rig.session(pool, *others)
        talk = Talk(rig, pool, view, *others)
        if [talk.proxy(1), talk.proxy(2)] == own:
            return talk
        await rig.relay.sessions.close(rig.account, talk.id)
        rig.later(days=4)
        await rig.relay.expiry.free_numbers(pool.bucket)
    raise AssertionError("chance was against it")


async def _carry(sender: Talk, taker: Talk) -> int:
    """Bring what one relay has sent to the other, as the carrier between them would; says how many texts."""
    before = len(sender.rig.carrier.sent)
    await sender.rig.send_all(sender.bucket)
    texts = sender.rig.carrier.sent[before:]
    for text in texts:
        await taker.rig.text(text.sender, text.to, text.text)
    return len(texts)


@pytest.fixture
def other_dsn(databases: Databases) -> Iterator[str]:
    address = databases.take()
    yield address
    databases.give_back(address)


@pytest.fixture
async def other_db(other_dsn: str) -> AsyncIterator[Database]:
    """What the other relay has."""
    opened = await database.connect(other_dsn, connections=4)
    yield opened
    await opened.close()
