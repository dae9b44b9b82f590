"""A backup that is restored: what has ended since it was taken ends again before anything is served."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from relay.core.errors import DatabaseIsOld
from relay.core.journal import Entry, Missed
from relay.core.keys import KeyName, Purpose
from relay.core.model import CloseReason
from relay.services.inbound import Taken
from relay.storage import database, journal
from relay.storage.database import Transaction
from relay.storage.embedded import EmbeddedServer
from relay.vault import keyring, keyring_file
from relay.vault.vault import open_vault
from relay.wiring import Relay, build, open_keyring
from tests.databases import in_database
from tests.services.people import CAROL
from tests.services.rig import Rig, make_rig, start_talk


class Installation:
    """A database with a keyring and a journal beside it, of which backups are taken and restored."""

    def __init__(self, dsn: str, server: EmbeddedServer, path: Path) -> None:
        self.dsn, self.server, self.path = dsn, server, path
        self.backups: list[str] = []

    async def back_up(self) -> str:
        """A copy of the database as it is; nobody may be connected."""
        source = urlsplit(self.dsn).path.strip("/")
        name = f"{source}_backup_{len(self.backups)}"
        await self._execute(f"create database {name} template {source}")
        self.backups.append(name)
        return in_database(self.server.dsn, name)

    async def drop(self) -> None:
        for name in self.backups:
            await self._execute(f"drop database {name} with (force)")

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.server.dsn)
        await connection.execute(statement)
        await connection.close()


@pytest.fixture
async def place(dsn: str, pg_server: EmbeddedServer, tmp_path: Path) -> AsyncIterator[Installation]:
    found = Installation(dsn, pg_server, tmp_path / "keyring.json")
    keyring_file.save_new(keyring.make(), found.path)
    yield found
    await found.drop()


@asynccontextmanager
async def running(place: Installation) -> AsyncIterator[Rig]:
    """The installation at its first start."""
    db = await database.connect(place.dsn, connections=10)
    await open_keyring(db, place.path, may_make=False)
    yield await make_rig(db, keyring=place.path)
    await db.close()


@asynccontextmanager
async def at(place: Installation, rig: Rig, dsn: str) -> AsyncIterator[Relay]:
    """The same installation, started over this database."""
    db = await database.connect(dsn, connections=10)
    db.clock_offset = rig.relay.database.clock_offset
    vault = open_vault(keyring_file.load(place.path))
    yield build(rig.relay.settings, db, vault, rig.relay.transport)
    await db.close()


async def brought_up_to_date(restored: Relay, *, missing: str | None = None) -> dict[Missed, int]:
    """Replay its journal over a database that is refused before, with words like ``missing``, and taken after it."""
    with pytest.raises(DatabaseIsOld, match=missing):
        await restored.restoring.check()
    done = await restored.restoring.replay()
    await restored.restoring.check()
    return dict(done)


async def test_a_session_that_closed_after_the_backup_is_closed_again_before_anything_is_served(
    place: Installation,
) -> None:
    async with running(place) as rig:
        closed = await start_talk(rig, expires_in=30 * 86400)
        still_open = await start_talk(rig, pool=closed.pool, one="+12025550150", other="+12025550151")
    backup = await place.back_up()
    async with at(place, rig, place.dsn) as relay:
        await relay.sessions.close(rig.account, closed.id)
        await relay.restoring.write(closed.bucket)
        await relay.restoring.check()
    async with at(place, rig, backup) as restored:
        done = await brought_up_to_date(restored, missing=r"1 session\(s\).*restore-check")
        views = [await restored.sessions.read(rig.account, talk.id) for talk in (closed, still_open)]
        async with restored.database.transaction() as tx:
            phones = await tx.fetchval("select count(*) from participant where sealed_phone is not null")

    assert done == {Missed.CLOSE: 1}
    assert [view.session.status for view in views] == ["closed", "open"]
    assert phones == 2


async def test_a_session_that_was_erased_after_the_backup_is_erased_again(place: Installation) -> None:
    async with running(place) as rig:
        talk = await start_talk(rig, unique_name="trip 7", metadata={"order": "991"})
        await talk.say("hello")
        await rig.send_all(talk.bucket)
        await rig.relay.sessions.close(rig.account, talk.id)
        await rig.relay.restoring.write(talk.bucket)
    backup = await place.back_up()
    async with at(place, rig, place.dsn) as relay:
        await relay.erasure.erase(rig.account, talk.id)
        await relay.restoring.write(talk.bucket)
    async with at(place, rig, backup) as restored:
        done = await brought_up_to_date(restored)
        view = await restored.sessions.read(rig.account, talk.id)
        async with restored.database.transaction() as tx:
            messages = await tx.fetchval("select count(*) from message where session_id = $1", talk.id)

    assert done == {Missed.ERASE: 1}
    assert (view.session.close_reason, view.session.unique_name, dict(view.session.metadata)) == ("erased", None, {})
    assert messages == 0


async def test_a_session_goes_on_when_it_was_reopened_after_the_backup_and_ends_when_somebody_was_replaced(
    place: Installation,
) -> None:
    async with running(place) as rig:
        reopened = await start_talk(rig, expires_in=30 * 86400)
        replaced = await start_talk(rig, pool=reopened.pool, one="+12025550150", other="+12025550151")
    backup = await place.back_up()
    async with at(place, rig, place.dsn) as relay:
        now = replace(rig, relay=relay)
        await relay.sessions.close(rig.account, reopened.id)
        await relay.restoring.write(reopened.bucket)
        await now.reopen(reopened)
        await now.replace(replaced.view, 2, CAROL)
        told = [await relay.restoring.write(reopened.bucket) for _ in range(2)]
        await relay.restoring.check()
    async with at(place, rig, backup) as restored:
        done = await brought_up_to_date(restored, missing=r"1 session\(s\)")
        views = [await restored.sessions.read(rig.account, talk.id) for talk in (reopened, replaced)]

    assert told == [2, 0]
    assert done == {Missed.CLOSE: 1}
    assert [view.session.status for view in views] == ["open", "closed"]


async def test_a_database_is_served_when_a_session_was_reopened_while_its_end_was_being_told(
    place: Installation,
) -> None:
    """By a process that was killed between the journal and the database, or came late: what it told last is not what is so."""
    async with running(place) as rig:
        talk = await start_talk(rig)
        await rig.relay.sessions.close(rig.account, talk.id)
        ended = await rig.relay.database.run(lambda tx: _untold(tx, talk.bucket))
        await rig.reopen(talk)
        await rig.relay.restoring.write(talk.bucket)
        end = await asyncio.to_thread(rig.relay.restoring.file.append, ended)
        await rig.relay.restoring.check()
        await rig.relay.database.run(
            lambda tx: journal.told(tx, talk.bucket, ended, end.journal_id, end.position)  # it has come back
        )
        told_again = await rig.relay.restoring.write(talk.bucket)

    assert [entry.reason for entry in rig.relay.restoring.file.after(0)] == [None, CloseReason.API, None]
    assert told_again == 1


async def test_a_database_is_served_when_only_its_note_of_the_journal_was_lost(place: Installation) -> None:
    """Killed between the journal and the database: both know what happened."""
    async with running(place) as rig:
        talk = await start_talk(rig)
        await rig.relay.sessions.close(rig.account, talk.id)
        entries = await rig.relay.restoring.database.run(lambda tx: _untold(tx, talk.bucket))
        await asyncio.to_thread(rig.relay.restoring.file.append, entries)
        await rig.relay.restoring.check()
        told = await rig.relay.restoring.write(talk.bucket)
        await rig.relay.restoring.check()

        assert told == 1
        assert await rig.relay.restoring.write(talk.bucket) == 0


async def _untold(tx: Transaction, bucket: int) -> list[Entry]:
    return await journal.untold(tx, bucket, limit=10)


async def test_sessions_whose_key_is_gone_are_closed_when_a_backup_is_older_than_the_key_lives(
    place: Installation,
) -> None:
    async with running(place) as rig:
        talk = await start_talk(rig, expires_in=30 * 86400)
    backup = await place.back_up()
    async with at(place, rig, place.dsn) as relay:
        await relay.rotation.rotate([Purpose.EPOCH])
        relay.database.clock_offset += timedelta(hours=1)
        await relay.rotation.learn()
        await relay.rotation.learn()
        relay.database.clock_offset += timedelta(hours=1)
        await relay.rotation.prune()
    async with at(place, rig, backup) as restored:
        restored.database.clock_offset += timedelta(hours=2)
        lost = await restored.rotation.give_up()
        ended = await restored.restoring.end_unreadable(lost)
        await restored.rotation.learn()
        await restored.rotation.look()
        view = await restored.sessions.read(rig.account, talk.id)

    assert lost == [KeyName(Purpose.EPOCH, 1)]
    assert ended == 1
    assert view.session.status == "closed"


async def test_a_journal_is_told_once_of_each_end(place: Installation) -> None:
    async with running(place) as rig:
        talk = await start_talk(rig)
        await talk.say("hello")
        before = await rig.relay.restoring.write(talk.bucket)
        await rig.relay.sessions.close(rig.account, talk.id)
        told = [await rig.relay.restoring.write(talk.bucket) for _ in range(2)]
        late = await talk.say("too late")

    entries = rig.relay.restoring.file.after(0)
    assert (before, told) == (0, [1, 0])
    assert [entry.session_id for entry in entries] == [talk.id]
    assert late is Taken.REFUSED
