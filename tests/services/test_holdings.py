"""The report of what is held: every class is counted, what upkeep has missed is overdue, and each account sees its own."""

from __future__ import annotations

from datetime import timedelta

import pytest

from relay.core.data_class import DataClass
from relay.storage.configuration import Account
from relay.storage.database import Database
from relay.storage.holdings import Holding
from tests.services.keeping import upkeep
from tests.services.people import CAROL, numbers
from tests.services.rig import CREDENTIALS, Rig, Talk, make_rig, start_talk

DAY = 86400
C = DataClass


@pytest.fixture
async def rig(db: Database) -> Rig:
    return await make_rig(db)


async def busy(rig: Rig) -> Talk:
    """One session with a sent and a waiting text, a STOP, an answered request, an API key."""
    talk = await start_talk(
        rig, pool=await rig.pool_in_one_bucket("default", numbers(3, start=0)), expires_in=DAY, cool_down=DAY
    )
    await talk.say("hello")
    await rig.send_all(talk.bucket)
    await talk.say("STOP", slot=2)
    await talk.say("HELP")
    await talk.say("still there?", slot=2)
    await rig.relay.idempotency.begin(rig.account, "key", b"asked")
    await rig.relay.keys.add(rig.account, name="app", scopes=frozenset({"privacy"}))  # type: ignore[arg-type]  # a word
    return talk


async def counted(rig: Rig, account: Account | None = None) -> dict[DataClass, Holding]:
    return {h.data_class: h for h in (await rig.relay.retention.report(account)).holdings}


async def overdue(rig: Rig) -> dict[DataClass, int]:
    return {name: h.overdue for name, h in (await counted(rig)).items() if h.overdue}


async def test_every_class_but_operation_is_counted_when_something_of_each_is_there(rig: Rig) -> None:
    talk = await busy(rig)
    held = {name: h.held for name, h in (await counted(rig)).items()}
    rows = {
        C.PHONE: "participant where sealed_phone is not null",
        C.TEXT: "outbox",
        C.PARTY_INDEX: "participant where party_index is not null",
        C.PERSON: "person",
        C.SUPPRESSION: "suppression",
        C.INBOX_KEY: "inbox_key",
        C.SESSION: "session",
        C.MESSAGE: "message",
        C.ATTEMPT: "attempt",
        C.EVENT: "event",
        C.HOLD: "hold",
        C.AUTOMATIC_ANSWER: "answer",
        C.IDEMPOTENCY_ANSWER: "idempotency",
    }
    there = {name: await rig.value(f"select count(*) from {table}") for name, table in rows.items()}

    assert set(held) == set(DataClass) - {C.OPERATION}
    assert {name: held[name] for name in rows} == there
    assert [name for name, count in there.items() if not count] == [C.HOLD]
    assert (held[C.CREDENTIALS], held[C.CONFIGURATION]) == (
        2,
        5,
    )  # a connection and a key; account, pool, three numbers
    assert talk.bucket in (await rig.relay.configuration.current()).buckets_of(rig.account.id)


async def test_the_oldest_row_is_named_when_there_are_several(rig: Rig) -> None:
    talk = await busy(rig)
    first = await rig.value("select min(received_at) from message")
    rig.later(hours=2)
    await talk.say("again", slot=2)

    assert (await counted(rig))[C.MESSAGE].oldest == first


@pytest.mark.parametrize(
    ("passed", "expected"),
    [
        (timedelta(hours=4, minutes=30), set()),
        (timedelta(hours=6), {C.TEXT}),
        (timedelta(hours=26), {C.TEXT, C.PHONE, C.AUTOMATIC_ANSWER, C.IDEMPOTENCY_ANSWER}),
        (timedelta(days=31), {C.TEXT, C.PHONE, C.CARRIER_COPY, C.AUTOMATIC_ANSWER, C.IDEMPOTENCY_ANSWER, C.EVENT}),
        (
            timedelta(days=91),
            {C.TEXT, C.PHONE, C.CARRIER_COPY, C.AUTOMATIC_ANSWER, C.IDEMPOTENCY_ANSWER, C.EVENT, C.MESSAGE, C.ATTEMPT},
        ),
    ],
    ids=lambda value: str(value) if isinstance(value, timedelta) else "",
)
async def test_what_should_have_gone_is_overdue_when_upkeep_did_not_come_by(
    rig: Rig, passed: timedelta, expected: set[DataClass]
) -> None:
    await busy(rig)
    rig.later(seconds=passed.total_seconds())

    assert set(await overdue(rig)) == expected
    await upkeep(rig)
    assert await overdue(rig) == {}


async def test_what_a_closed_session_left_is_overdue_when_upkeep_did_not_come_by(rig: Rig) -> None:
    talk = await busy(rig)
    await rig.send_all(talk.bucket)
    await rig.relay.sessions.close(rig.account, talk.id)
    rig.later(hours=26)
    cooled = await overdue(rig)
    while await rig.relay.expiry.free_numbers(talk.bucket):
        pass
    freed = await overdue(rig)
    rig.later(days=90)
    await rig.relay.retention.forget_messages(talk.bucket)
    forgotten = await overdue(rig)

    assert cooled[C.PARTY_INDEX] == 2
    assert C.PARTY_INDEX not in freed
    assert freed[C.PERSON] == 1  # the other one has opted out
    assert forgotten[C.SESSION] == 1


async def test_the_people_whom_nothing_needs_are_overdue_an_hour_after_the_last_round(rig: Rig) -> None:
    """No row says since when they are needless: a round of upkeep that was finished lately has forgotten them."""
    talk = await busy(rig)
    await rig.send_all(talk.bucket)
    await rig.relay.sessions.close(rig.account, talk.id)
    await upkeep(rig)
    rig.later(days=2)
    while await rig.relay.retention.forget(talk.bucket):
        pass
    await rig.relay.expiry.free_numbers(talk.bucket)
    rig.later(minutes=59)
    before = (await counted(rig))[C.PERSON].overdue
    rig.later(minutes=2)

    assert (before, (await counted(rig))[C.PERSON].overdue) == (0, 1)


async def test_an_account_is_told_of_its_own_rows_when_another_shares_its_buckets(rig: Rig) -> None:
    await busy(rig)
    other = Rig(rig.relay, rig.carrier, await rig.relay.accounts.add("another market"), rig.connection)
    other.connection = await rig.relay.connections.add(other.account, "twilio", CREDENTIALS, await rig.seed())
    talk = await start_talk(other, pool=await other.pool_in_one_bucket("theirs", numbers(3, start=50)), other=CAROL)
    await talk.say("hello")
    await talk.say("HELP")
    alone = await counted(rig, rig.account)
    everything = await counted(rig)
    theirs = await counted(rig, other.account)

    assert len(await rig.rows("select distinct bucket from session")) == 1
    for name in (
        C.AUTOMATIC_ANSWER,
        C.PHONE,
        C.PARTY_INDEX,
        C.INBOX_KEY,
        C.SESSION,
        C.MESSAGE,
        C.ATTEMPT,
        C.EVENT,
        C.CONFIGURATION,
        C.PERSON,
    ):
        assert theirs[name].held + alone[name].held == everything[name].held, name
    assert {name: theirs[name].held for name in (C.SESSION, C.MESSAGE, C.TEXT, C.SUPPRESSION)} == {
        C.SESSION: 1,
        C.MESSAGE: 3,
        C.TEXT: 2,
        C.SUPPRESSION: 0,
    }
