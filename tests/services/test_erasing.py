"""Erasing a session: closed, emptied, its messages gone when they have ended; who is killed leaves the rest to upkeep."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from relay.core.data_class import DataClass
from relay.core.errors import Conflict, NotFound
from relay.core.model import CloseReason, HoldReason
from relay.providers.base import Receipt, ReceiptWord
from relay.services.erasure import Erased
from relay.storage import erasure, retention, sessions
from relay.storage.database import Database
from relay.vault.tokens import AttemptToken
from tests.services.carrier import lost_answer
from tests.services.dying import dies_while_forgetting
from tests.services.keeping import Watcher, left, upkeep
from tests.services.people import ALICE, CAROL, numbers
from tests.services.rig import Rig, Talk, make_rig, start_talk
from tests.services.waiting import until

HOUR, DAY = 3600, 86400


@pytest.fixture
async def rig(db: Database) -> Rig:
    """Without the observer of moves, who misses what is erased."""
    return await make_rig(db)


async def talked(rig: Rig, count: int = 3) -> Talk:
    """A session of some words, with texts sent both ways."""
    talk = await start_talk(rig, cool_down=DAY, unique_name="trip-991", metadata={"order": "991"})
    for n in range(count):
        await talk.say(f"hello {n}", slot=1 + n % 2)
    await rig.send_all(talk.bucket)
    return talk


async def erase(talk: Talk) -> Erased:
    return await talk.rig.relay.erasure.erase(talk.rig.account, talk.id)


async def told(rig: Rig, kind: str) -> object:
    return await rig.value("select count(*) from event where type = $1", kind)


@pytest.mark.parametrize("closed_before", [False, True])
async def test_nothing_that_was_said_of_a_session_is_left_when_it_is_erased(rig: Rig, closed_before: bool) -> None:
    talk = await talked(rig)
    await talk.say("on its way to nobody")
    if closed_before:
        await rig.relay.sessions.close(rig.account, talk.id)
    first, again = [await erase(talk) for _ in range(2)]
    view = await rig.relay.sessions.read(rig.account, talk.id)

    assert replace(first, unreadable_from=None) == replace(again, unreadable_from=None)
    assert (view.session.status, view.session.close_reason) == ("closed", CloseReason.ERASED)
    assert (view.session.unique_name, view.session.metadata) == (None, {})
    assert [p.label for p in view.participants] == ["", ""]
    assert {k: v for k, v in (await left(rig)).items() if k in ("message", "attempt")} == {"message": 0, "attempt": 0}
    assert await rig.value("select count(*) from outbox") == 0
    assert await rig.value("select count(*) from erasure") == 0
    assert await rig.value("select count(*) from participant where sealed_phone is not null") == 0
    assert (await told(rig, "session.erased"), await told(rig, "session.closed")) == (1, 1)
    refusal = await rig.value("select reason from event where type = 'message.refused'")
    assert refusal == ("session_closed" if closed_before else "erased")
    assert await Watcher(rig).look() == []


async def test_what_stays_is_said_with_its_end_when_a_session_is_erased(rig: Rig) -> None:
    talk = await talked(rig)
    erased = await erase(talk)
    closed_at = (await rig.relay.sessions.read(rig.account, talk.id)).session.closed_at
    assert closed_at is not None
    stays = {one.what: one.until for one in erased.stays}

    assert stays.pop(DataClass.PARTY_INDEX) == await rig.value("select max(held_until) from binding")
    assert stays.pop(DataClass.SESSION) == closed_at + timedelta(days=90)
    assert stays == {
        DataClass.SUPPRESSION: None,
        DataClass.CARRIER_COPY: None,
        DataClass.EVENT: None,
        DataClass.INBOX_KEY: None,
        DataClass.AUDIT_TREE: None,
    }
    assert erased.unreadable_from is not None
    assert erased.unreadable_from > closed_at


async def test_a_late_text_reaches_nobody_when_the_session_was_erased(rig: Rig) -> None:
    talk = await talked(rig)
    await erase(talk)
    sent = len(rig.carrier.sent)
    await talk.say("are you still there?")
    await rig.send_all(talk.bucket)

    assert [text.to for text in rig.carrier.sent[sent:]] == [ALICE]  # that it has ended
    assert await rig.states() == [("refused", "late")]
    await erase(talk)
    assert (await left(rig))["message"] == 0
    assert await told(rig, "session.erased") == 1


async def test_upkeep_finishes_when_the_process_is_killed_after_the_first_transaction(rig: Rig) -> None:
    talk = await talked(rig)
    other = await start_talk(rig, pool=talk.pool, one=ALICE, other=CAROL)
    await other.say("hello")
    await dies_while_forgetting(rig, erase(talk))
    emptied = (await rig.relay.sessions.read(rig.account, talk.id)).session.close_reason
    unfinished = await rig.value("select count(*) from message where session_id = $1", talk.id)
    await upkeep(rig)

    assert (emptied, unfinished) == (CloseReason.ERASED, 3)
    assert await rig.rows("select distinct session_id from message") == [{"session_id": other.id}]
    assert (
        await rig.value("select count(*) from attempt a left join message m on m.id = a.message_id where m.id is null")
        == 0
    )
    assert await rig.value("select count(*) from erasure") == 0


async def test_everything_goes_when_there_are_more_messages_than_one_batch_holds(rig: Rig) -> None:
    talk = await talked(rig)
    columns = (
        "account_id, session_id, kind, from_participant, to_participant, leg_no, state, segments, received_at, changed_at,"
        " accepted_at"
    )
    await rig.rows(
        f"insert into message (bucket, id, {columns}) select bucket, gen_random_uuid(), {columns}"
        " from (select * from message limit 1) as m, generate_series(1, 1100) returning 1"
    )
    await erase(talk)

    assert (await left(rig))["message"] == 0


@pytest.mark.parametrize("answered", ["by the mark", "by the receipt", "by a receipt before the mark", "never"])
async def test_a_text_in_flight_goes_when_it_has_ended_after_its_session_was_erased(rig: Rig, answered: str) -> None:
    talk = await talked(rig)
    await talk.say("under way")
    (intent,) = await rig.begin(talk.bucket)
    erased = await erase(talk)
    await upkeep(rig)
    waiting = await rig.states()
    if answered == "by the mark":
        await rig.hand_over(talk.bucket, intent)
    elif answered == "by a receipt before the mark":
        token = AttemptToken(intent.passed.message_id, intent.passed.attempt_id)
        await rig.relay.receipts.take(rig.connection, token, Receipt("SM1", ReceiptWord.DELIVERED, None))
        await upkeep(rig)
        assert (await left(rig))["message"] == 0
        await rig.hand_over(talk.bucket, intent)
    else:
        rig.carrier.answer = lost_answer
        await rig.hand_over(talk.bucket, intent)
        if answered == "by the receipt":
            await rig.receipt(rig.carrier.asked[-1], ReceiptWord.DELIVERED)
    for hours in (1, 80) if answered == "never" else (0,):
        rig.later(hours=hours)
        await upkeep(rig)

    assert erased.in_flight == (intent.passed.message_id,)
    assert DataClass.MESSAGE in {one.what for one in erased.stays}
    # What went the same way stays until it is known what became of the one under way; the other way it is gone.
    assert waiting == [("accepted", None), ("accepted", None), ("sending", None)]
    assert (await left(rig))["message"] == (await left(rig))["attempt"] == 0
    assert await rig.value("select count(*) from erasure") == 0
    assert await rig.value("select count(*) from outbox") == 0
    told_of_it = await rig.rows(
        "select type from event where message_id = $1 order by at, id", intent.passed.message_id
    )
    ends = {
        "by the mark": ["message.accepted"],
        "by the receipt": ["message.delivered"],
        "by a receipt before the mark": ["message.delivered"],
        "never": ["message.parked", "message.expired"],
    }
    assert [row["type"] for row in told_of_it] == ["message.received", *ends[answered]]
    assert await Watcher(rig).look() == []


async def test_nothing_is_erased_when_a_hold_stands(rig: Rig) -> None:
    talk = await talked(rig)
    await place(talk)
    before = await rig.rows("select * from session"), await left(rig)
    with pytest.raises(Conflict) as caught:
        await erase(talk)
    after = await rig.rows("select * from session"), await left(rig)
    await rig.relay.holds.lift(rig.account, talk.id)
    await erase(talk)

    assert caught.value.code == "on_hold"
    assert before == after
    assert (await left(rig))["message"] == 0


async def place(talk: Talk) -> None:
    rig = talk.rig
    by, seed = rig.account.id, await rig.seed()
    await rig.relay.holds.place(rig.account, talk.id, HoldReason.LEGAL_CLAIM, key_id=by, seed=seed)


async def test_a_hold_is_refused_when_its_session_is_erased_or_just_being_erased(rig: Rig) -> None:
    talk = await talked(rig)
    await rig.relay.sessions.close(rig.account, talk.id)
    async with rig.relay.database.transaction() as tx:
        await retention.take_turns(tx, talk.bucket)
        await sessions.lock(tx, talk.bucket, rig.account.id, talk.id)
        placing = asyncio.create_task(place(talk))
        await until(lambda: rig.rows("select 1 from pg_locks where not granted"))
        await erasure.erase(tx, talk.id)
    with pytest.raises(Conflict) as while_erased:
        await placing
    with pytest.raises(Conflict) as afterwards:
        await place(talk)

    assert (while_erased.value.code, afterwards.value.code) == ("session_erased", "session_erased")
    assert await rig.value("select count(*) from hold") == 0


async def test_an_erasure_is_refused_when_a_hold_is_placed_before_it_has_its_turn(rig: Rig) -> None:
    talk = await talked(rig)
    new = retention.NewHold(uuid4(), rig.account.id, talk.id, HoldReason.LEGAL_CLAIM, uuid4())
    async with rig.relay.database.transaction() as tx:
        assert await retention.place_hold(tx, new)
        erasing = asyncio.create_task(erase(talk))
        await until(lambda: rig.rows("select 1 from pg_locks where not granted"))
    with pytest.raises(Conflict) as caught:
        await erasing

    assert caught.value.code == "on_hold"
    assert (await left(rig))["message"] == 3


async def test_one_of_the_two_wins_when_holds_and_erasures_race(rig: Rig) -> None:
    pool = await rig.pool("default", numbers(12))
    talks = [await start_talk(rig, pool=pool, one=ALICE, other=CAROL) for _ in range(12)]
    for talk in talks:
        await talk.say("hello")
    done = await asyncio.gather(*(do(t) for t in talks for do in (place, erase)), return_exceptions=True)
    held = {row["session_id"] for row in await rig.rows("select session_id from hold")}

    for talk, (placed, erased) in zip(talks, zip(done[::2], done[1::2], strict=True), strict=True):
        assert isinstance(placed, Conflict) != isinstance(erased, Conflict)
        assert (talk.id in held) == isinstance(erased, Conflict)
        assert bool(await rig.rows("select 1 from message where session_id = $1", talk.id)) == (talk.id in held)


async def test_a_session_is_unknown_when_it_is_not_the_accounts(rig: Rig) -> None:
    talk = await talked(rig)
    for account, session_id in ((replace(rig.account, id=uuid4()), talk.id), (rig.account, uuid4())):
        with pytest.raises(NotFound):
            await rig.relay.erasure.erase(account, session_id)

    assert await told(rig, "session.erased") == 0


async def test_a_session_stays_closed_when_it_was_erased(rig: Rig) -> None:
    talk = await talked(rig)
    await erase(talk)

    with pytest.raises(Conflict) as caught:
        await rig.reopen(talk)
    assert (caught.value.code, caught.value.reason) == ("session_not_reopenable", "erased")
