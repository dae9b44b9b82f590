"""The pool of connections: what passes is tried again, what is our mistake is not, and nothing is done twice."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from relay.core.errors import BadSettings, NotDurable, StorageUnavailable
from relay.core.ids import bucket_of
from relay.storage import database
from relay.storage.database import Database, Transaction
from relay.storage.embedded import EmbeddedServer, find_binaries, start_embedded
from tests.api.database_line import line_to
from tests.databases import in_database
from tests.storage.conftest import execute

_COUNT = "create table tally (id int primary key, n int not null); insert into tally values (1, 0), (2, 0)"


async def tally(db: Database) -> list[int]:
    async with db.transaction() as tx:
        return [row["n"] for row in await tx.fetch("select n from tally order by id")]


@pytest.mark.parametrize("dsn", ["postgresql://relay@127.0.0.1:1/relay", "postgresql://relay@/relay?host=/nowhere"])
async def test_connecting_says_that_nobody_answers_when_nobody_does(dsn: str) -> None:
    with pytest.raises(StorageUnavailable, match="does not answer"):
        await database.connect(dsn)


@pytest.mark.parametrize("dsn", ["postgresql://relay@127.0.0.1:port/relay", "mysql://127.0.0.1/relay"])
async def test_connecting_is_refused_when_the_address_cannot_be_read(dsn: str) -> None:
    with pytest.raises(BadSettings, match="RELAY_DATABASE_URL"):
        await database.connect(dsn)


async def test_connecting_is_refused_when_there_is_no_such_database(pg_server: EmbeddedServer) -> None:
    with pytest.raises(BadSettings, match="RELAY_DATABASE_URL"):
        await database.connect(in_database(pg_server.dsn, "nowhere"))


async def test_a_server_is_durable_when_it_is_started_as_ours(db: Database) -> None:
    await database.check_durable(db)


async def test_a_server_is_refused_when_it_confirms_what_it_has_not_kept(empty_dsn: str) -> None:
    name = empty_dsn.split("/")[3].split("?")[0]
    await execute(empty_dsn, f"alter database {name} set synchronous_commit = off")
    db = await database.connect(empty_dsn, connections=2)

    with pytest.raises(NotDurable, match="synchronous_commit"):
        await database.check_durable(db)

    await db.close()


def test_a_server_is_refused_when_it_does_not_wait_for_its_disk(tmp_path: Path) -> None:
    settings = {"fsync": "off", "full_page_writes": "off"}

    async def check(dsn: str) -> None:
        db = await database.connect(dsn, connections=2)
        try:
            await database.check_durable(db)
        finally:
            await db.close()

    with (
        start_embedded(tmp_path, binaries=find_binaries(), settings=settings) as server,
        pytest.raises(NotDurable, match=r"fsync|full_page_writes"),
    ):
        asyncio.run(check(server.dsn))


async def test_both_finish_when_two_works_lock_each_other_out(db: Database, dsn: str) -> None:
    await execute(dsn, _COUNT)
    tries = 0
    meeting = asyncio.Barrier(2)

    async def count(tx: Transaction, first: int, second: int) -> None:
        nonlocal tries
        tries += 1
        await tx.execute("set local deadlock_timeout = '20ms'")
        await tx.execute("update tally set n = n + 1 where id = $1", first)
        if tries <= 2:
            await meeting.wait()
        await tx.execute("update tally set n = n + 1 where id = $1", second)

    await asyncio.gather(db.run(lambda tx: count(tx, 1, 2)), db.run(lambda tx: count(tx, 2, 1)))

    assert await tally(db) == [2, 2]
    assert tries == 3


async def test_work_is_done_again_when_the_server_cannot_put_it_in_order(empty_dsn: str) -> None:
    await execute(empty_dsn, _COUNT)
    name = empty_dsn.split("/")[3].split("?")[0]
    await execute(empty_dsn, f"alter database {name} set default_transaction_isolation = 'repeatable read'")
    db, tries = await database.connect(empty_dsn, connections=2), 0

    async def count(tx: Transaction) -> None:
        nonlocal tries
        tries += 1
        (seen,) = await tx.fetch("select n from tally where id = 1")
        if tries == 1:
            await execute(empty_dsn, "update tally set n = n + 10 where id = 1")
        await tx.execute("update tally set n = $1 where id = 1", seen["n"] + 1)

    await db.run(count)

    assert (await tally(db), tries) == ([11, 0], 2)
    await db.close()


async def test_work_is_done_again_when_its_connection_was_lost(db: Database, dsn: str) -> None:
    await execute(dsn, _COUNT)
    tries = 0

    async def count(tx: Transaction) -> None:
        nonlocal tries
        tries += 1
        await tx.execute("update tally set n = n + 1 where id = 1")
        if tries < 3:
            await execute(dsn, f"select pg_terminate_backend({await tx.fetchval('select pg_backend_pid()')})")
        await tx.execute("update tally set n = n + 1 where id = 2")

    await db.run(count)

    assert (await tally(db), tries) == ([1, 1], 3)


async def test_work_is_given_up_when_nobody_answers_for_long(dsn: str) -> None:
    tries = 0

    async def work(_: Transaction) -> None:
        nonlocal tries
        tries += 1

    async with line_to(dsn) as line:
        db = await database.connect(line.dsn, connections=2, patience=0.2)
        line.cut()
        with pytest.raises(StorageUnavailable):
            await db.run(work)
        line.mend()
        await db.run(work)
        await db.close()

    assert tries == 1


async def keep(db: Database, n: int) -> None:
    await db.run(lambda tx: tx.execute("insert into kept values ($1) on conflict do nothing", n))


async def test_a_row_is_written_once_when_the_database_is_lost_at_any_word(dsn: str, db: Database) -> None:
    await execute(dsn, "create table kept (id int primary key)")
    async with line_to(dsn) as line:
        far = await database.connect(line.dsn, connections=2)
        for words in range(1, 7):
            line.breaks_after = words
            keeping = asyncio.create_task(keep(far, words))
            await asyncio.sleep(0.1)
            line.mend()
            await keeping
        await far.close()

    async with db.transaction() as tx:
        assert await tx.fetchval("select array_agg(id order by id) from kept") == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("select nothing from nowhere", asyncpg.UndefinedTableError),
        ("select 1/0", asyncpg.DivisionByZeroError),
        ("insert into configuration values (1, 1)", asyncpg.UniqueViolationError),
        ("select $1::int", asyncpg.InterfaceError),
    ],
)
async def test_a_mistake_of_ours_is_shown_when_it_is_made(db: Database, statement: str, error: type[Exception]) -> None:
    tries = 0

    async def work(tx: Transaction) -> None:
        nonlocal tries
        tries += 1
        await tx.fetch(statement)

    with pytest.raises(error):
        await db.run(work)
    assert tries == 1


async def test_waiting_ends_when_no_connection_becomes_free(dsn: str) -> None:
    db = await database.connect(dsn, connections=2, patience=0.2)
    async with db.transaction(), db.transaction():
        with pytest.raises(StorageUnavailable):
            async with asyncio.timeout(2):
                await db.now()
    await db.close()


async def test_time_is_one_moment_within_a_transaction_and_moves_by_the_offset(db: Database) -> None:
    real = await db.now()
    db.clock_offset = timedelta(days=10)
    async with db.transaction() as tx:
        first = tx.now
        await tx.fetch("select pg_sleep(0.01)")
        assert tx.now == first
        assert bucket_of(tx.new_id(1023)) == 1023
        assert len(set(tx.new_ids(5, 100))) == 100

    assert timedelta(days=10) <= first - real < timedelta(days=10, minutes=1)


async def test_a_hint_is_heard_when_it_is_given(db: Database) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    async with db.listen("news", heard.put_nowait) as lost:
        await db.notify("news", "7")
        async with asyncio.timeout(5):
            assert await heard.get() == "7"
        assert not lost.is_set()


async def test_a_listener_is_told_when_its_connection_is_lost(db: Database, dsn: str) -> None:
    async with line_to(dsn) as line:
        far = await database.connect(line.dsn, connections=2)
        async with far.listen("news", lambda _: None) as lost:
            line.cut()
            async with asyncio.timeout(5):
                await lost.wait()
            await far.notify("news", "lost, and nobody minds")
            with pytest.raises(StorageUnavailable):
                async with far.listen("news", lambda _: None):
                    pass
        await far.close()
    await db.notify("news", "nobody listens")


async def test_a_hint_is_given_up_when_no_connection_is_free_for_it(dsn: str) -> None:
    """Work goes before hints: whoever gives one is not held up, and hears of no error."""
    db = await database.connect(dsn, connections=2, patience=30.0)
    async with asyncio.timeout(20), db.transaction(), db.transaction():
        await db.notify("news", "7")
    await db.close()


async def test_one_picture_shows_one_moment_when_somebody_writes_meanwhile(db: Database, dsn: str) -> None:
    await execute(dsn, _COUNT)
    seen: dict[bool, list[int]] = {}
    for one_picture in (True, False):
        async with db.transaction(one_picture=one_picture) as tx:
            before = await tx.fetchval("select n from tally where id = 1")
            await execute(dsn, "update tally set n = n + 1 where id = 1")
            seen[one_picture] = [before, await tx.fetchval("select n from tally where id = 1")]

    assert seen == {True: [0, 0], False: [1, 2]}


async def test_closing_ends_in_a_while_when_a_transaction_does_not(dsn: str) -> None:
    """A process that is told to stop must not hang on work that never ends: it is broken off, and nothing of it stays."""
    await execute(dsn, _COUNT)
    db = await database.connect(dsn, connections=2)
    begun = asyncio.Event()

    async def never_ends(tx: Transaction) -> None:
        await tx.execute("update tally set n = 7 where id = 1")
        begun.set()
        await tx.execute("select pg_sleep(600)")

    work = asyncio.create_task(db.run(never_ends))
    await begun.wait()
    async with asyncio.timeout(20):  # a statement may take 30, and would end by itself
        await db.close()
    with pytest.raises((StorageUnavailable, asyncpg.InterfaceError)):
        await work

    other = await database.connect(dsn, connections=2)
    assert await tally(other) == [0, 0]
    await other.close()


async def test_work_ends_when_it_is_cancelled_while_the_line_breaks(dsn: str) -> None:
    """It would be done again and again otherwise, by a process that wants to end."""
    async with line_to(dsn) as line:
        db = await database.connect(line.dsn, connections=2, patience=0.2)
        inside = asyncio.Event()

        async def wait_for_long(tx: Transaction) -> None:
            inside.set()
            await tx.execute("select pg_sleep(20)")

        working = asyncio.create_task(db.run(wait_for_long))
        await inside.wait()
        line.cut()
        working.cancel()
        await asyncio.wait([working], timeout=10)
        await db.close()

    assert working.cancelled()


async def test_a_single_statement_has_its_time_and_is_committed_with_itself(db: Database, dsn: str) -> None:
    await execute(dsn, "create table told (at interval)")
    db.clock_offset = timedelta(hours=1)
    async with db.single() as tx:
        await tx.execute("insert into told values ($1::timestamptz - clock_timestamp())", tx.now)
        async with db.single() as other:
            told = await other.fetchval("select at from told")

    assert timedelta(minutes=59) < told < timedelta(minutes=61)


async def test_a_second_statement_is_refused_where_only_one_belongs(db: Database) -> None:
    async with db.single() as tx:
        await tx.fetch("select 1")
        with pytest.raises(RuntimeError):
            await tx.fetch("select 1")


async def test_a_single_statement_is_tried_again_when_its_connection_was_lost(db: Database, dsn: str) -> None:
    async with db.transaction() as tx:
        await tx.execute("create table once (id int primary key)")
    for _ in range(3):
        await execute(dsn, "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'relay'")
        await db.run(lambda tx: tx.execute("insert into once values (1) on conflict do nothing"), single=True)

    async with db.single() as tx:
        assert await tx.fetchval("select count(*) from once") == 1
