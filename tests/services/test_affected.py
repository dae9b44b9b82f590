"""Whom a leak concerns: counted as a full scan counts, within the window, never another account's, without a phone."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from relay.core.affected import TOLD, Source, Window, read_leak
from relay.core.data_class import DataClass
from relay.core.hooks import HookKind
from relay.core.model import HoldReason, Scope
from relay.core.phone import Phone
from relay.core.subject import OperatorReason, RequestKind
from relay.services.affected import Answer
from relay.services.subjects import SubjectWanted
from relay.storage.affected import Count, Page
from relay.storage.database import Database
from tests.services.hook_server import set_hook
from tests.services.keeping import over, upkeep
from tests.services.people import ALICE, BOB, CAROL, STRANGER, numbers
from tests.services.rig import CREDENTIALS, Rig, Talk, make_rig, start_talk
from tests.services.verifying import PRIVACY, start

pytestmark = pytest.mark.long

C = DataClass
HOUR = 3600
TICK = timedelta(microseconds=1)


@pytest.fixture
async def rig(db: Database) -> Rig:
    """Without the observer of moves, who misses what is erased."""
    return await make_rig(db)


async def busy(rig: Rig, *, start_at: int = 0) -> Talk:
    """Sessions open, closed, held and being erased in two pools; texts sent, waiting and refused; something in every table."""
    talk = await start_talk(rig, pool=await rig.pool_in_one_bucket("default", numbers(3, start=start_at)))
    await talk.say("hello")
    await rig.send_all(talk.bucket)
    await talk.say("STOP", slot=2)
    await talk.say("HELP")
    await talk.say("still there?", slot=2)
    await rig.text(STRANGER, talk.proxy(1), "who is this?")
    night = await rig.pool("night", numbers(2, start=start_at + 10))
    other = await start_talk(rig, pool=night, one=ALICE, other=CAROL)
    await other.say("waits")
    await rig.relay.sessions.close(rig.account, other.id)
    await start(rig, talk.pool, CAROL, PRIVACY)
    await hold(talk)
    await ask(rig, RequestKind.ACCESS)
    await ask(rig, RequestKind.ERASURE, STRANGER)
    await rig.relay.idempotency.begin(rig.account, "key", b"asked")
    await rig.relay.keys.add(rig.account, name="app", scopes=(Scope.AUDIT,))
    await rig.relay.webhooks.add(rig.account, "https://market.example/", ["*"], await rig.seed())
    for kind in HookKind:
        await set_hook(rig, talk.pool, "https://hooks.example/", kind=kind)
    await rig.text(STRANGER, talk.proxy(1), "anybody?")
    await rig.relay.audit_log.seal(rig.account.bucket)
    return talk


async def hold(talk: Talk) -> None:
    by, seed = talk.rig.account.id, await talk.rig.seed()
    await talk.rig.relay.holds.place(talk.rig.account, talk.id, HoldReason.LEGAL_CLAIM, key_id=by, seed=seed)


async def ask(rig: Rig, kind: RequestKind, e164: str = ALICE) -> None:
    wanted = SubjectWanted(kind, Phone.parse(e164), None, OperatorReason.OWN_INITIATIVE)
    await rig.relay.subjects.ask(rig.account, wanted, key_id=None, seed=await rig.seed())


async def neighbour(rig: Rig) -> Rig:
    """Another account of the same installation."""
    account = await rig.relay.accounts.add("other market")
    connection = await rig.relay.connections.add(account, "twilio", CREDENTIALS, await rig.seed())
    return replace(rig, account=account, connection=connection)


async def leaked(rig: Rig, window: Window | None = None, *, page: Page | None = None, **asked: str | None) -> Answer:
    words: dict[str, Any] = {"table": None, "data_class": None, "since": None, "until": None, **asked}
    leak = read_leak(**words, now=await rig.relay.database.now())
    leak = replace(leak, window=window) if window else leak
    return await rig.relay.affected.by(rig.account, leak, page or Page(None, 100))


async def counts(rig: Rig, window: Window | None = None) -> dict[tuple[str, DataClass], Count | None]:
    """What is counted for every class of every table; without the ids."""
    found = (await leaked(rig, window)).concerned
    return {
        (one.reading.table, one.reading.data_class): one.count and replace(one.count, session_ids=()) for one in found
    }


async def count(rig: Rig, table: str, data_class: DataClass, window: Window | None = None) -> Count:
    found = (await counts(rig, window))[table, data_class]
    assert found is not None
    return found


#: A full scan of each table for the rows of account $1. Of the others every row carries the account.
_SCANS = {
    "audit_entry": "select 1 from audit_entry where account_id = $1 and record is not null",
    "account": "select 1 from account where id = $1",
    "participant": "select 1 from participant join session s on s.id = session_id where account_id = $1",
    "binding": "select 1 from binding join session s on s.id = session_id where account_id = $1",
    "person": "select distinct b.bucket, party_index from binding b join session s on s.id = session_id"
    " where account_id = $1",
    "attempt": "select 1 from attempt join message m on m.id = message_id where account_id = $1",
    "answer": "select 1 from answer join number n on n.id = number_id where account_id = $1",
    "inbox_key": "select 1 from inbox_key join connection c on c.id = connection_id where account_id = $1",
}


async def scanned(rig: Rig, table: str) -> int:
    scan = _SCANS.get(table, f"select 1 from {table} where account_id = $1")
    return len(await rig.rows(scan, rig.account.id))


async def people_scanned(rig: Rig) -> int:
    """Of each pool, so that somebody in two counts twice."""
    people = "select distinct p.bucket, party_index from participant p join session s on s.id = session_id"
    return len(await rig.rows(f"{people} where account_id = $1", rig.account.id))


async def test_every_table_is_counted_as_a_full_scan_counts_it_when_two_accounts_share_a_bucket(rig: Rig) -> None:
    other = await neighbour(rig)
    talks = [await busy(rig), await busy(other, start_at=20)]
    for one, talk in zip((rig, other), talks, strict=True):
        await on_its_way(one, talk)
    for one in (rig, other):
        found = await counts(one)
        records = {table: count.records for (table, _), count in found.items() if count is not None}
        there = {table: await scanned(one, table) for table in records}
        there["outbox"] += await left_or_given_up(one)

        assert records == there
        assert [table for table, n in there.items() if not n] == ["former_pool", "former_number"]
        assert {count.people for (t, _), count in found.items() if t in ("session", "participant") and count} == {
            await people_scanned(one)
        }
    assert talks[0].bucket == talks[1].bucket


async def on_its_way(rig: Rig, talk: Talk) -> None:
    """What is there for a moment only: an erasure that is not done, a STOP that has not reached every pool."""
    whose = (talk.bucket, talk.id, rig.account.id)
    await rig.rows("insert into erasure (bucket, session_id, account_id, asked_at) values ($1, $2, $3, now())", *whose)
    columns = "bucket, id, account_id, party_index, key_id, opted_out, arrived_at"
    await rig.rows(f"insert into fanout ({columns}) values ($1, $2, $3, 'hash', 1, true, now())", *whose)


async def left_or_given_up(rig: Rig) -> int:
    """Texts that lay in the outbox once and do not any more: what was not refused the moment that it came."""
    ended = "select 1 from message m where account_id = $1 and not (state = 'refused' and changed_at = received_at)"
    gone = f"{ended} and not exists (select 1 from outbox where message_id = m.id)"
    return len(await rig.rows(gone, rig.account.id))


async def test_nothing_changes_when_another_account_is_busy_in_the_same_buckets(rig: Rig) -> None:
    await busy(rig)
    for bucket in (await rig.relay.configuration.refreshed()).buckets:
        await rig.send_all(bucket)  # the other one's sending would do it, too
    before = await leaked(rig)
    await busy(await neighbour(rig), start_at=20)
    after = await leaked(rig)

    assert after.concerned == before.concerned
    assert (after.sessions, after.session_ids) == (before.sessions, before.session_ids)


async def test_what_is_nobodys_is_not_counted_and_says_so(rig: Rig) -> None:
    await busy(rig)
    silent = {table for (table, _), found in (await counts(rig)).items() if found is None}

    assert silent == {table for table, told in TOLD.items() for one in told.values() if one.by is Source.NOTHING}


async def test_people_are_none_when_the_rows_are_about_none(rig: Rig) -> None:
    await busy(rig)
    about_nobody = {table for (table, _), found in (await counts(rig)).items() if found and found.people is None}

    assert about_nobody == {
        *("attempt", "inbox_key", "redaction", "audit_entry", "idempotency", "api_key", "number_state"),
        *("connection", "endpoint", "account", "pool", "number", "former_pool", "former_number"),
        *("connection", "account", "pool", "pool_hook", "number", "former_pool", "former_number"),
    }


async def closed_talk(rig: Rig) -> tuple[Talk, datetime, datetime]:
    """A session in which nobody wrote: opened, and closed a day later."""
    talk = await start_talk(rig, cool_down=2 * HOUR, expires_in=7 * 86400)
    rig.later(days=1)
    await rig.relay.sessions.close(rig.account, talk.id)
    (row,) = await rig.rows("select created_at, closed_at from session where id = $1", talk.id)
    opened, closed = row["created_at"], row["closed_at"]
    assert isinstance(opened, datetime)
    assert isinstance(closed, datetime)
    return talk, opened, closed


@pytest.mark.parametrize("table", ["participant", "session"])
async def test_a_row_was_there_when_the_window_ends_with_its_making_and_not_when_it_ends_before(
    rig: Rig, table: str
) -> None:
    _, opened, _ = await closed_talk(rig)
    until = [opened - TICK, opened, opened + TICK]
    found = [await count(rig, table, C.SESSION, Window(None, at)) for at in until]

    assert [c.sessions for c in found] == [0, 1, 1]
    assert [c.people for c in found] == [0, 2, 2]


async def test_a_phone_was_there_from_opening_to_closing_when_it_has_gone_since(rig: Rig) -> None:
    _, opened, closed = await closed_talk(rig)
    later = closed + timedelta(days=1)
    windows = [
        Window(None, opened - TICK),
        Window(None, opened),
        Window(opened, closed),
        Window(closed - TICK, closed - TICK),
        Window(closed, later),
        Window(closed + TICK, later),
    ]
    phones = [await count(rig, "participant", C.PHONE, window) for window in windows]
    rows = [await count(rig, "participant", C.SESSION, window) for window in windows]

    assert [c.records for c in phones] == [0, 2, 2, 2, 2, 0]
    assert [c.sessions for c in phones] == [0, 1, 1, 1, 1, 0]
    assert [c.records for c in rows] == [0, 2, 2, 2, 2, 2]


@pytest.mark.parametrize(
    ("table", "data_class"), [("binding", C.PARTY_INDEX), ("participant", C.PARTY_INDEX), ("person", C.PERSON)]
)
async def test_a_hash_was_there_until_the_cool_down_was_over_when_it_has_gone_since(
    rig: Rig, table: str, data_class: DataClass
) -> None:
    _, opened, closed = await closed_talk(rig)
    ended = closed + timedelta(hours=3)  # two of cool-down, one for upkeep
    windows = [Window(None, opened - TICK), Window(ended, ended), Window(ended + TICK, ended + TICK)]
    still = [(await count(rig, table, data_class, window)).records for window in windows]
    rig.later(days=2)
    await upkeep(rig)
    gone = [(await count(rig, table, data_class, window)).records for window in windows]

    assert still == [0, 2, 2]
    assert gone == [0, 2, 0]
    assert await rig.value("select count(*) from binding") == 0


async def test_a_text_was_there_from_arrival_until_accepted_when_it_has_left_since(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("hello")
    rig.later(minutes=5)
    await rig.send_all(talk.bucket)
    (row,) = await rig.rows("select received_at, accepted_at from message")
    came, left = row["received_at"], row["accepted_at"]
    assert isinstance(came, datetime)
    assert isinstance(left, datetime)
    windows = [Window(None, came - TICK), Window(came, came), Window(left, left), Window(left + TICK, left + TICK)]
    texts = [await count(rig, "outbox", C.TEXT, window) for window in windows]

    assert [(c.records, c.sessions, c.people) for c in texts] == [(0, 0, 0), (1, 1, 2), (1, 1, 2), (0, 0, 0)]
    assert await rig.value("select count(*) from outbox") == 0


async def test_a_text_is_there_for_as_long_as_it_waits(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("hello")
    now = await rig.relay.database.now()

    assert (await count(rig, "outbox", C.TEXT, Window(now, now))).records == 1


async def test_a_text_never_lay_there_when_it_was_refused_as_it_came(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("STOP", slot=2)
    await talk.say("are you there?")
    sent = await rig.value("select count(*) from message where state <> 'refused'")

    assert ("refused", "opted_out") in await rig.states()
    assert (await count(rig, "outbox", C.TEXT)).records == sent


@pytest.mark.parametrize(
    ("table", "data_class", "time"),
    [
        ("message", C.MESSAGE, "received_at"),
        ("attempt", C.ATTEMPT, "begun_at"),
        ("event", C.EVENT, "at"),
        ("verification", C.VERIFICATION, "created_at"),
        ("answer", C.AUTOMATIC_ANSWER, "last_at"),
        ("privacy_request", C.PRIVACY_REQUEST, "asked_at"),
        ("privacy_export", C.EXPORT, "made_at"),
        ("inbox_key", C.INBOX_KEY, "at"),
        ("idempotency", C.IDEMPOTENCY_ANSWER, "created_at"),
        ("api_key", C.CREDENTIALS, "created_at"),
        ("connection", C.CREDENTIALS, "created_at"),
        ("pool", C.CONFIGURATION, "created_at"),
        ("number", C.CONFIGURATION, "created_at"),
    ],
)
async def test_rows_are_counted_up_to_the_end_of_the_window_when_they_carry_their_time(
    rig: Rig, table: str, data_class: DataClass, time: str
) -> None:
    await busy(rig)
    times = sorted(row["t"] for row in await rig.rows(f"select {time} as t from {table}"))  # type: ignore[type-var]  # times
    first, last = times[0], times[-1]
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    until = (first - TICK, first, last - TICK, last)
    found = [(await count(rig, table, data_class, Window(None, at))).records for at in until]

    assert found == [sum(t <= at for t in times) for at in until]  # type: ignore[operator]  # times
    assert found[0] == 0 < found[1] <= found[3] == len(times)


async def test_what_no_row_dates_is_counted_whenever_the_window_was(rig: Rig) -> None:
    await busy(rig)
    long_ago = Window(None, await rig.relay.database.now() - timedelta(days=365))

    assert (await count(rig, "suppression", C.SUPPRESSION, long_ago)).records == 1
    assert (await count(rig, "number_state", C.CONFIGURATION, long_ago)).records == 5


async def test_a_person_counts_once_in_a_pool_while_they_are_told_apart_and_once_a_session_afterwards(rig: Rig) -> None:
    talk = await over(rig)
    again = await start_talk(rig, pool=talk.pool, cool_down=HOUR)
    await start_talk(rig, pool=talk.pool, one=ALICE, other=CAROL, cool_down=HOUR)
    known = await count(rig, "session", C.SESSION)
    await rig.relay.sessions.close(rig.account, again.id)
    rig.later(hours=1)
    await upkeep(rig)
    forgotten = await count(rig, "session", C.SESSION)

    assert (known.records, known.people) == (3, 2 + 3)  # the first session's two are not known any more
    assert (forgotten.records, forgotten.people) == (3, 2 + 2 + 2)


async def test_sessions_are_named_newest_first_over_all_pools_when_they_are_paged(rig: Rig) -> None:
    pools = [await rig.pool(name, numbers(3, start=at)) for name, at in (("a", 0), ("b", 10), ("c", 20))]
    opened = [(await rig.session(pool, ALICE, BOB)).session.id for pool in (*pools, *pools)]
    await start_talk(await neighbour(rig), pool=None)
    found: list[UUID] = []
    page = Page(None, 2)
    while (answer := await leaked(rig, page=page)).session_ids:
        assert answer.sessions == len(opened)
        found += answer.session_ids
        assert len(found) <= len(opened), "a page begins where the one before did"
        page = Page(answer.session_ids[-1], 2)

    assert found == sorted(opened, reverse=True)


async def test_only_the_sessions_of_a_class_are_named_when_it_is_asked_about(rig: Rig) -> None:
    talk, _, closed = await closed_talk(rig)
    open_one = await start_talk(rig, pool=talk.pool)
    window = Window(closed + TICK, await rig.relay.database.now())
    phones = await leaked(rig, window, table="participant", data_class="phone")
    rows = await leaked(rig, window, table="participant")

    assert (phones.sessions, list(phones.session_ids)) == (1, [open_one.id])
    assert (rows.sessions, list(rows.session_ids)) == (2, [open_one.id, talk.id])


async def test_nothing_is_written_when_somebody_asks(rig: Rig) -> None:
    await busy(rig)
    before = await rig.value("select count(*) from event")
    await leaked(rig)

    assert await rig.value("select count(*) from event") == before
