"""The figure "state changes without an entry" in a real database: 0 after much has happened, more when something is missing."""

from __future__ import annotations

import pytest

from relay.core.coverage import Fault
from relay.services.coverage import Covered
from relay.storage.database import Database
from tests.services.rig import Rig, make_rig, start_talk
from tests.services.stories import both_ways, closed_while_waiting, parked_and_retried, stop_then_start, text_expires


async def eventful(db: Database) -> Rig:
    """A marketplace in which nearly everything has happened, and is sealed; a minute later."""
    rig = await make_rig(db)
    key = await rig.relay.keys.add(rig.account, name="app", scopes=frozenset({"audit"}))  # type: ignore[arg-type]  # a word
    assert key
    talk = await start_talk(rig, expires_in=7 * 86400)
    for story in (parked_and_retried, both_ways, stop_then_start, text_expires, closed_while_waiting):
        await story(talk)
    await rig.relay.erasure.erase(rig.account, (await start_talk(rig, pool=talk.pool)).id)
    while await rig.relay.audit_log.seal(rig.account.bucket):
        pass
    rig.later(seconds=61)
    return rig


async def covered(rig: Rig) -> Covered:
    found = Covered()
    await rig.relay.coverage.of(rig.account, found)
    return found


_FORGOTTEN = (
    "delete from event where id in (select id from event where type = '{}' order by id limit 1) returning 1 as x"
)
_OF_POOL = "(select id from event where type = 'pool.ready')"
_NO_ENTRY = f"delete from audit_entry where event_id in {_OF_POOL} returning 1 as x"
_UNTOLD_STATE = (
    "update message set state = 'undelivered', reason = 'unknown', delivered_at = null,"
    " changed_at = changed_at + interval '1 s' where state = 'delivered' returning 1 as x"
)

PLANTED = {
    **{f"no {name}": (_FORGOTTEN.format(name), Fault.NO_EVENT) for name in (
        "message.received", "message.delivered", "message.expired", "session.opened", "session.closed", "session.erased",
        "number.added", "key.created",
    )},
    "a state that came without an event": (_UNTOLD_STATE, Fault.NO_EVENT),
    "an attempt that is gone": ("delete from attempt where n = 2 returning 1 as x", Fault.NO_ATTEMPT),
    "an entry that is gone": (_NO_ENTRY, Fault.NO_ENTRY),
    "an event that was changed": (
        "update event set type = 'message.expired' where type = 'message.parked' returning 1 as x",
        Fault.OTHER_ENTRY,
    ),
}  # fmt: skip


async def test_no_change_is_without_an_entry_until_one_is_taken_away(db: Database) -> None:
    """One story for all: each thing that is planted stays, and is found beside those before it."""
    rig = await eventful(db)
    sound = await covered(rig)
    assert sound.faults == {}
    assert min(sound.seen[table] for table in ("messages", "sessions", "numbers", "keys", "events")) > 0

    before = sound
    for planted, (statement, fault) in PLANTED.items():
        assert await rig.rows(statement), planted
        after = await covered(rig)
        more = after.faults - before.faults
        assert fault in {found for found, _ in more}, planted
        before = after


async def test_an_event_is_waited_for_a_minute_when_it_is_not_sealed(db: Database) -> None:
    rig = await eventful(db)
    await rig.pool("new", [])
    at_once = await covered(rig)
    rig.later(seconds=61)
    late = await covered(rig)
    await rig.relay.audit_log.seal(rig.account.bucket)

    assert at_once.without_entry == 0
    assert late.faults == {(Fault.NOT_SEALED, "pool.ready"): 1}
    assert (await covered(rig)).without_entry == 0


@pytest.mark.parametrize("days", [29, 40, 100])
async def test_nothing_is_missed_when_it_is_forgotten_in_time(db: Database, days: int) -> None:
    rig = await eventful(db)
    rig.later(days=days)
    for bucket in (await rig.relay.configuration.refreshed()).buckets:
        for work in (rig.relay.retention.forget_messages, rig.relay.retention.forget_events):
            while await work(bucket):
                pass

    assert (await covered(rig)).faults == {}
