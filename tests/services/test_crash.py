"""Processes that vanish: what they had begun is declared, looked for and shown; what they had not begun is sent by others."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from relay.core.errors import StorageUnavailable
from relay.services.sending import Intent
from relay.storage import database, leases
from relay.wiring import Relay, build
from tests.api.database_line import DatabaseLine, line_to
from tests.services.carrier import listing
from tests.services.rig import Rig, Talk, start_talk
from tests.services.waiting import until

SILENT = timedelta(seconds=60)


async def own(rig: Rig, bucket: int) -> int:
    """A new owner takes the bucket, whose lease has run out, for five seconds."""
    async with rig.relay.database.transaction() as tx:
        epoch = await leases.take(tx, bucket, uuid4(), timedelta(seconds=5))
    assert epoch is not None
    rig.epochs[bucket] = epoch
    return epoch


async def begun(rig: Rig) -> tuple[Talk, Intent]:
    """A text whose attempt is committed; whoever began it is about to vanish."""
    talk = await start_talk(rig)
    await own(rig, talk.bucket)
    await talk.say("hello")
    (intent,) = await rig.begin(talk.bucket)
    return talk, intent


async def declare(talk: Talk) -> int:
    rig = talk.rig
    return await rig.relay.ambiguity.declare(talk.bucket, epoch=rig.epochs[talk.bucket], begun_before=SILENT)


async def test_a_begun_send_is_parked_for_all_to_see_when_its_process_is_gone(rig: Rig) -> None:
    talk, _ = await begun(rig)
    rig.later(seconds=6)
    await own(rig, talk.bucket)

    declared = await declare(talk)
    rig.later(seconds=121)
    await rig.relay.ambiguity.look(talk.bucket)
    sent = await rig.send_all(talk.bucket)

    assert (declared, sent) == (1, 0)
    (message,) = await rig.relay.texts.of_session(rig.account, talk.id, limit=5, before=None)
    assert (message.state, message.reason) == ("parked", "ambiguous")


async def test_a_begun_send_is_found_when_it_was_accepted_before_its_process_was_gone(rig: Rig) -> None:
    talk, _ = await begun(rig)
    rig.carrier.listed = [listing("hello")]
    rig.later(seconds=6)
    await own(rig, talk.bucket)
    await declare(talk)
    rig.later(seconds=6)

    await rig.relay.ambiguity.look(talk.bucket)

    assert await rig.states() == [("accepted", None)]


async def test_a_begun_send_is_left_alone_when_its_owner_is_still_at_it(rig: Rig) -> None:
    talk, _ = await begun(rig)
    rig.later(seconds=59)
    before = await declare(talk)
    rig.later(seconds=2)

    assert (before, await declare(talk)) == (0, 1)


async def test_the_answer_counts_when_it_is_written_after_somebody_else_took_over(rig: Rig) -> None:
    talk, intent = await begun(rig)
    rig.later(seconds=6)
    await own(rig, talk.bucket)
    await declare(talk)

    await rig.hand_over(talk.bucket, intent)

    assert await rig.states() == [("accepted", None)]
    assert len(rig.carrier.sent) == 1


async def test_what_waited_is_sent_by_the_new_owner_and_not_by_the_old_one(rig: Rig) -> None:
    talk = await start_talk(rig)
    old = await own(rig, talk.bucket)
    await talk.say("hello")
    rig.later(seconds=6)
    await own(rig, talk.bucket)

    assert await rig.relay.sending.begin(talk.bucket, old, await rig.due(talk.bucket)) == []
    assert await rig.send_all(talk.bucket) == 1


async def far_process(rig: Rig, line: DatabaseLine) -> Relay:
    """A process of the same installation whose way to the database can be cut."""
    db = await database.connect(line.dsn, connections=4)
    return build(rig.relay.settings, db, rig.relay.vault, rig.relay.transport)


async def begin_cut_off(
    talk: Talk, far: Relay, line: DatabaseLine, *, words: int
) -> tuple[bool, asyncio.Task[list[Intent]]]:
    """Begin what is due, losing the database after so many words of the door, if it has that many; it comes back a moment
    later. Says whether it was lost. What is no part of the door is read elsewhere, so that it is not counted."""
    due, epoch = await talk.rig.due(talk.bucket), await talk.rig.epoch(talk.bucket)
    sending = replace(far.sending, configuration=talk.rig.relay.configuration)
    line.breaks_after = words
    beginning = asyncio.create_task(sending.begin(talk.bucket, epoch, due))

    async def cut_or_done() -> bool:
        return line.is_down or beginning.done()

    await until(cut_or_done, within=60.0)
    was_cut = line.is_down
    line.mend()
    return was_cut, beginning


async def test_a_text_leaves_once_when_the_database_is_lost_at_any_word_of_the_door(rig: Rig, dsn: str) -> None:
    """The commit may have happened unseen. This process knows that no byte has left, and takes its attempts back.

    Each word has a process of its own: after a cut, the connections that are restored behind the door's back would talk too.
    """
    talk = await start_talk(rig)
    words, lost, unseen, was_cut = 0, 0, 0, True
    async with line_to(dsn) as line:
        while was_cut:
            words += 1
            far = await far_process(rig, line)
            await talk.say(f"text {words}")
            was_cut, beginning = await begin_cut_off(talk, far, line, words=words)
            try:
                for intent in await beginning:
                    await rig.hand_over(talk.bucket, intent)
            except StorageUnavailable:
                lost += 1
                unseen += await rig.value("select count(*) from attempt where outcome = 'not_begun'") == unseen + 1
            await rig.send_all(talk.bucket)
            await far.database.close()

    assert lost > 3
    assert unseen >= 1
    assert [t.text for t in rig.carrier.sent] == [f"text {n}" for n in range(1, words + 1)]


async def test_nothing_has_passed_the_door_when_the_directory_cannot_be_read(rig: Rig, dsn: str) -> None:
    """Afterwards would be too late: the attempts would be committed, and nobody would know that nothing left."""
    talk = await start_talk(rig)
    await talk.say("hello")
    due, epoch = await rig.due(talk.bucket), await rig.epoch(talk.bucket)
    async with line_to(dsn) as line:
        far = await far_process(rig, line)
        line.cut()
        with pytest.raises(StorageUnavailable):
            await replace(rig.relay.sending, configuration=far.configuration).begin(talk.bucket, epoch, due)
        await far.database.close()

    assert await rig.states() == [("queued", None)]
