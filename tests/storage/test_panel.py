"""The rows that the panel reads: one session's and nobody else's, the newest of many, and of a seal only its start."""

from __future__ import annotations

from uuid import UUID

import asyncpg

from relay.storage import panel
from relay.storage.panel import Kept, copies
from tests.services.people import ALICE, CAROL, numbers
from tests.services.rig import Rig, Talk, start_talk


async def kept(talk: Talk) -> Kept:
    async with talk.rig.relay.database.transaction() as tx:
        found = await panel.kept(tx, talk.id)
    assert found is not None
    return found


async def test_nothing_is_found_when_there_is_no_such_session(rig: Rig) -> None:
    talk = await start_talk(rig)
    unknown = UUID(int=talk.id.int ^ 1)

    async with rig.relay.database.transaction() as tx:
        assert await panel.kept(tx, unknown) is None


async def test_only_its_own_rows_are_shown_when_another_session_is_in_the_same_pool(rig: Rig) -> None:
    pool = await rig.pool("default", numbers(3))
    mine = await start_talk(rig, pool=pool)
    other = await start_talk(rig, pool=pool, one=ALICE, other=CAROL)
    await mine.say("one")
    await other.say("two")
    found = await kept(mine)

    assert found.session.id == mine.id
    assert {seat.id for seat in found.participants} == {seat.id for seat in mine.view.participants}
    assert len(found.messages) == len(found.outbox) == 1
    assert {event.message_id for event in found.events} == {None, found.messages[0].id}


async def test_seats_are_shown_in_their_order_with_the_number_that_each_texts(rig: Rig) -> None:
    talk = await start_talk(rig)
    found = await kept(talk)

    assert [(seat.slot, seat.number, seat.label) for seat in found.participants] == [
        (1, talk.proxy(1), "one"),
        (2, talk.proxy(2), "other"),
    ]


async def test_only_the_start_of_what_is_sealed_is_read_when_a_text_waits(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("hello")
    found = await kept(talk)

    (waiting,) = found.outbox
    assert (len(waiting.phone_start), len(waiting.text_start)) == (6, 12)
    assert waiting.phone_bytes > 6
    assert waiting.text_bytes > 12
    assert all(
        len(seat.phone_start or b"") == 6 and len(seat.index_start or b"") == 6 and (seat.phone_bytes or 0) > 6
        for seat in found.participants
    )


async def test_the_newest_are_shown_when_there_are_more_than_can_be(rig: Rig) -> None:
    talk = await start_talk(rig)
    await rig.relay.inbound.take(talk.bucket, [talk.arrived(f"{n}") for n in range(205)])
    found = await kept(talk)
    ids = await rig.rows("select id from message order by id desc limit 200")

    assert [message.id for message in found.messages] == [row["id"] for row in ids]
    assert len(found.events) == 200
    assert len(found.outbox) == 205


async def test_an_opt_out_is_not_shown_when_it_came_before_the_session_began(rig: Rig) -> None:
    pool = await rig.pool("default", numbers(4))
    earlier = await start_talk(rig, pool=pool)
    await earlier.say("STOP", slot=2)
    await rig.relay.sessions.close(rig.account, earlier.id)
    rig.later(seconds=1)
    later = await start_talk(rig, pool=pool, one=ALICE, other=CAROL)

    assert [event.type for event in (await kept(later)).events] == ["session.opened"]
    assert (await kept(later)).messages == []


async def test_the_last_try_counts_when_a_text_was_tried_twice(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("hello")
    before = (await kept(talk)).messages[0].last_outcome
    (intent,) = await rig.begin(talk.bucket)
    handed = await rig.relay.sending.hand_over(intent, lease_until=0.0)
    await rig.relay.sending.settle(talk.bucket, handed)
    first = (await kept(talk)).messages[0].last_outcome
    await rig.send_all(talk.bucket)
    second = (await kept(talk)).messages[0].last_outcome

    assert (before, first, second) == (None, "not_begun", "accepted")


async def test_every_table_is_copied_a_line_for_each_row_when_they_are_read(rig: Rig, dsn: str) -> None:
    talk = await start_talk(rig)
    for n in range(3):
        await talk.say(f"{n}")
    found = await copies(dsn)
    connection = await asyncpg.connect(dsn)
    counts = {name: await connection.fetchval(f'select count(*) from "{name}"') for name in found}
    await connection.close()

    assert {name: rows.count(b"\n") for name, rows in found.items()} == counts
    assert counts["outbox"] == 3
