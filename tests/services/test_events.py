"""Every change of state leaves one event: whole stories, each with the path of its texts and what was told of it.

``moves.check_moves`` compares what the rows did with what the events say; every test of this folder ends with it. Here the
paths are spelled out too, so that a story in which nothing moved cannot pass, and the check itself is put to the test.
"""

from __future__ import annotations

import pytest

from relay.storage.database import Database
from tests.services.moves import check_moves, watch_moves
from tests.services.rig import Rig, make_rig, start_talk
from tests.services.stories import (
    STORIES,
    both_ways,
    closed_while_waiting,
    parked_and_retried,
    replaced_while_waiting,
    stop_then_start,
    text_expires,
)


async def paths(rig: Rig, kind: str) -> list[str]:
    """The states that each message or session went through."""
    rows = await rig.rows(
        "select string_agg(after, ' ' order by n) as path from seen_move where kind = $1 group by id order by min(n)",
        kind,
    )
    return [str(row["path"]) for row in rows]


async def told(rig: Rig) -> list[str]:
    """What the events say of each message."""
    rows = await rig.rows(
        "select string_agg(split_part(e.type, '.', 2), ' ' order by e.at, e.type = 'rule.matched', e.id) as words from event e"
        " join (select id, min(n) as n from seen_move where kind = 'message' group by id) s on s.id = e.message_id"
        " group by s.n order by s.n"
    )
    return [str(row["words"]) for row in rows]


@pytest.mark.parametrize("story", STORIES)
async def test_each_change_is_told_once_when_a_story_takes_its_course(rig: Rig, story: str) -> None:
    live, expected = STORIES[story]
    await live(await start_talk(rig, expires_in=7 * 86400))

    assert sorted(await paths(rig, "message")) == sorted(expected.paths)
    assert sorted(await told(rig)) == sorted(expected.events)
    assert sorted(await paths(rig, "session")) == sorted(expected.sessions)
    assert await rig.value("select count(*) from event where type = 'participant.replaced'") == expected.replaced
    await check_moves(rig.relay.database)


async def eventful(db: Database) -> Rig:
    """A watched marketplace in which nearly everything has happened."""
    await watch_moves(db)
    rig = await make_rig(db)
    talk = await start_talk(rig, expires_in=7 * 86400)
    await parked_and_retried(talk)
    await both_ways(talk)
    await stop_then_start(talk)
    await text_expires(talk)
    await replaced_while_waiting(talk)
    await closed_while_waiting(talk)
    await check_moves(db)
    return rig


_OF_STATES = "session_id is not null or message_id is not null"


async def test_the_check_fails_when_any_one_event_is_missing(db: Database) -> None:
    rig = await eventful(db)
    events = await rig.rows(f"select id, type from event where {_OF_STATES} order by at, id")

    for event in events:
        lost = await rig.rows("delete from event where id = $1 returning *", event["id"])
        with pytest.raises(AssertionError):
            await check_moves(db)
        columns = list(lost[0])
        places = ", ".join(f"${n}" for n in range(1, len(columns) + 1))
        await rig.rows(f"insert into event ({', '.join(columns)}) values ({places})", *lost[0].values())
    await check_moves(db)

    kinds = {
        "opened",
        "closed",
        "replaced",
        "received",
        "accepted",
        "delivered",
        "refused",
        "expired",
        "parked",
        "retried",
    }
    assert {str(event["type"]).split(".")[1] for event in events} == kinds


_PLANTED = {
    "an event comes twice": "insert into event (bucket, id, account_id, type, session_id, message_id, at)"
    " select bucket, gen_random_uuid(), account_id, type, session_id, message_id, at from event"
    " where type = 'message.received' limit 1",
    "an event names another change": "update event set type = 'message.expired' where type = 'message.parked'",
    "an event names another text": "update event set message_id = gen_random_uuid() where type = 'message.delivered'",
    "an attempt is missing": "delete from attempt where n = 2",
    "an attempt too many": "insert into attempt (bucket, id, message_id, n, epoch, begun_at)"
    " select bucket, gen_random_uuid(), message_id, n + 1, epoch, begun_at from attempt where n = 2",
    "a move that is none": "update message set state = 'queued', accepted_at = null where state = 'accepted'",
}


@pytest.mark.parametrize("planted", _PLANTED)
async def test_the_check_fails_when_the_record_was_forged(db: Database, planted: str) -> None:
    rig = await eventful(db)
    changed = await rig.rows(f"{_PLANTED[planted]} returning 1 as x")

    with pytest.raises(AssertionError):
        await check_moves(db)
    assert changed
