"""Two hundred phones and two hundred texts go through every feature; then everything that is left is searched for them.

Also by somebody who has a backup, taken while sessions were open and texts waited, and who gets hold of the keyring later: it
opens everything with the keys of that day, and nothing with those that are left when the day and the week are over.
"""

from __future__ import annotations

import asyncio
import base64
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import asyncpg
import httpx
import pytest

from relay.api.app import ENDPOINTS
from relay.core.keys import SEALS_FOR, KeyName
from relay.core.model import MessageKind, State
from relay.settings import read_settings
from relay.storage import database, migrate
from relay.storage.embedded import EmbeddedServer, start_embedded
from relay.vault import keyring_file
from relay.vault.keyring import Keyring
from relay.wiring import open_relay
from tests.acceptance import canary_features as features
from tests.acceptance.canary import Canary, dump_of
from tests.acceptance.canary_town import NORTH, PEOPLE, STRANGER, Town, canary, text_of
from tests.acceptance.copies import base_backup, binaries, look_through
from tests.acceptance.installation import Installation, installed
from tests.acceptance.listening import listening
from tests.acceptance.sealed_columns import SEALED, sealed_columns, try_every_key
from tests.services.carrier import Carrier
from tests.services.keeping import upkeep
from tests.services.rig import Rig

pytestmark = pytest.mark.long

FIRST = {KeyName(purpose, 1) for purpose in SEALS_FOR}
#: Sealed under keys that outlast the day and the week, because what is in there names no person.
STAY = {("connection", "sealed_credentials"), ("endpoint", "sealed_settings"), ("pool_hook", "sealed_settings")}
#: A carrier that answers STOP itself; states that last a moment, or come after hours.
NOT_HERE = {MessageKind.STOP_REPLY, State.SENDING, State.EXPIRED}
WAITING = range(2 * features.TALKING, len(PEOPLE))


@dataclass(frozen=True, slots=True)
class Keyrings:
    """The same one when the backup was taken, directly before what is over was destroyed, and after."""

    then: Keyring
    late: Keyring
    now: Keyring


@dataclass(frozen=True, slots=True)
class Lived:
    """What a whole life of an installation has shown to the world. ``dump`` is of when the backup was taken."""

    keys: Keyrings
    dump: str
    answers: str
    logs: str


@dataclass(frozen=True, slots=True)
class Scene:
    """What is left of it. The folder ``backup`` was never started, ``copy`` is a server on its like."""

    folder: Path
    live: EmbeddedServer
    copy: EmbeddedServer
    lived: Lived


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One life serves all tests of this module; its server stays up for them, and so does one on the backup."""
    folder = tmp_path_factory.mktemp("canary")
    with start_embedded(folder / "live", binaries=binaries()) as live:
        began = time.monotonic()
        lived = asyncio.run(_live(folder, live))
        print(f"\nlived in {time.monotonic() - began:.1f} s")
        shutil.copytree(folder / "backup", folder / "copy", symlinks=True)
        with start_embedded(folder / "copy", binaries=binaries()) as copy:
            yield Scene(folder, live, copy, lived)


async def _live(folder: Path, live: EmbeddedServer) -> Lived:
    db = await database.connect(live.dsn, connections=2)
    await migrate.migrate(db)
    await db.close()
    (folder / "house").mkdir()
    async with installed(folder / "house", live.dsn, numbers=NORTH, rate=100) as place:
        place.environment |= {"RELAY_API_RATE": "10000", "RELAY_LOG_LEVEL": "debug", "RELAY_LOOPBACK_WEBHOOKS": "true"}
        async with httpx.AsyncClient(base_url=place.url, timeout=20) as http, listening() as server:
            town = Town(place, http, server.heard)
            town.listener = server.url
            then, dump = await _use_everything(town, folder, live)
        late, now = await _let_time_pass(place)
        logs = "\n".join(process.log.read_text() for process in place.processes)
    return Lived(Keyrings(then, late, now), dump, "\n".join(town.seen), logs)


async def _use_everything(town: Town, folder: Path, live: EmbeddedServer) -> tuple[Keyring, str]:
    """Returns the keyring and a dump from when the backup was taken: texts waited, and most sessions were open."""
    place = town.place
    webhook = f"{place.url}/hooks/{place.connection}/inbound"
    await place.carrier.put("/control/config", json={"webhook_url": webhook})
    api, worker = await place.api(), await place.worker()
    await features.furnish(town)
    await features.listen(town)
    await features.bad_weather(town)
    await features.talk(town)
    await features.decide_about_parked(town)
    for feature in (
        features.opt_out,
        features.text_from_the_platform,
        features.prove,
        features.receipts_with_words,
        features.end_some,
        features.change_people,
        features.make_mistakes,
        features.administer,
        features.change_and_try,
        features.be_told_again,
        features.read_everything,
        features.operate,
    ):
        await feature(town)
    worker.stop()
    await features.ask_somebody(town)
    await asyncio.gather(*(town.say(n) for n in WAITING))
    await _every_feature_was_met(town)
    base_backup(live, folder / "backup")
    then, dump = keyring_file.load(folder / "house" / "keyring.json"), await dump_of(live.dsn)
    await _close_everything(town)
    worker = await place.worker()
    await features.drained(town)
    await features.read_everything(town)
    assert (worker.stop(), api.stop()) == (0, 0)
    return then, dump


async def _every_feature_was_met(town: Town) -> None:
    """A new endpoint, kind or state of a message has to be given something to betray, too."""
    met = await town.in_the_database("select array_agg(distinct kind) || array_agg(distinct state) from message")

    assert set(PEOPLE) <= town.writers
    assert {(e.method, e.path) for e in ENDPOINTS} - town.used == set()
    assert {*MessageKind, *State} - NOT_HERE - set(met) == set()


async def _close_everything(town: Town) -> None:
    """A hold keeps what is known about its session, not its phones."""
    answers = await asyncio.gather(*(town.ask("POST", f"/v1/sessions/{pair.id}/close", {}) for pair in town.pairs))
    assert {answer.status_code for answer in answers} == {200}


async def _let_time_pass(place: Installation) -> tuple[Keyring, Keyring]:
    """New keys come, the copies made for people run out, and what sealed before is destroyed; the keyring before and after."""
    ring = Path(place.environment["RELAY_KEYRING"])
    settings = read_settings(keyring=ring, carrier_url=place.environment["RELAY_CARRIER_URL"])
    async with open_relay(settings, place.dsn) as relay:
        account = await relay.accounts.by_name("market")
        rig = Rig(relay, Carrier(), account, (await relay.connections.listed(account))[0])
        await relay.rotation.learn()
        await relay.rotation.rotate()
        rig.later(hours=1)
        await relay.rotation.learn()
        await relay.rotation.learn()
        rig.later(days=8)
        await upkeep(rig)
        late = keyring_file.load(ring)
        gone, spared = await relay.rotation.prune()
        assert (set(gone), spared) == (FIRST, [])
    return late, keyring_file.load(ring)


def test_every_value_in_a_backup_opens_before_keys_are_destroyed_and_none_after(scene: Scene) -> None:
    keys = scene.lived.keys
    then, late, now = (asyncio.run(try_every_key(scene.copy.dsn, ring)) for ring in (keys.then, keys.late, keys.now))
    rows = {place: tried.rows for place, tried in then.items()}
    print(f"\n{len(keys.then.answers())} keys when the backup was taken, {len(keys.now.answers())} at the end")
    for place, count in rows.items():
        opened = (len(tried[place].opened) for tried in (then, late, now))
        print("{}.{}: {} values, opened then {}, before prune {}, after {}".format(*place, count, *opened))

    assert min(rows.values()) > 0
    assert {place: len(tried.opened) for place, tried in then.items()} == rows
    assert {place: len(tried.opened) for place, tried in late.items()} == rows
    assert {place: tried.by for place, tried in then.items()} == {p: {s.purpose} for p, s in SEALED.items()}
    assert {place: len(tried.opened) for place, tried in now.items()} == {p: rows[p] * (p in STAY) for p in rows}


def test_what_opened_before_were_the_phones_and_texts_that_were_given(scene: Scene) -> None:
    """Otherwise nothing would be shown by their not opening afterwards."""
    opened = {
        place: tried.opened
        for place, tried in asyncio.run(try_every_key(scene.copy.dsn, scene.lived.keys.then)).items()
    }
    phones, texts = opened["participant", "sealed_phone"], set(opened["outbox", "sealed_text"])

    assert len(phones) == len(set(phones)) > 180
    assert set(phones) <= set(PEOPLE)
    assert {text_of(n) for n in WAITING} <= texts
    assert set(opened["outbox", "sealed_phone"]) - set(PEOPLE) <= {STRANGER}
    personal = {("participant", "sealed_phone")} | {
        (table, column) for table in ("outbox", "hook_call") for column in ("sealed_phone", "sealed_text")
    }
    for place in opened.keys() - personal:
        assert canary().finds("\n".join(opened[place])) == []


def test_nothing_that_names_anybody_is_left_when_all_is_over(scene: Scene) -> None:
    tried = asyncio.run(try_every_key(scene.live.dsn, scene.lived.keys.now))

    assert {place for place in tried if tried[place].rows} <= STAY


def test_every_sealed_column_is_tried_when_keys_are(scene: Scene) -> None:
    assert asyncio.run(sealed_columns(scene.live.dsn)) == SEALED.keys()


def test_no_phone_and_no_text_is_in_any_row_answer_page_log_or_key(scene: Scene) -> None:
    bird = canary()
    house = scene.folder / "house"
    places = {
        "tables while sessions were open": scene.lived.dump,
        "tables when all was over": asyncio.run(dump_of(scene.live.dsn)),
        "answers, pages, metrics and what commands printed": scene.lived.answers,
        "logs": scene.lived.logs,
        "keyring": (house / "keyring.json").read_text(),
        "journal": (house / "keyring.journal").read_bytes().decode("latin-1"),
    }
    print("".join(f"\n{place}: {len(content)} characters" for place, content in places.items()))

    assert {place for place, content in places.items() if not content} == set()
    assert {place: found for place, content in places.items() if (found := bird.finds(content))} == {}


def test_no_phone_and_no_text_is_in_the_files_of_the_database_or_of_its_backup(scene: Scene) -> None:
    """Not even in what was deleted, nor in the write-ahead log, nor in the server's own."""
    began = time.monotonic()
    look = look_through(canary(), scene.folder / "live", scene.folder / "backup")
    print(f"\n{look.files} files, {look.size} bytes, in {time.monotonic() - began:.1f} s")

    assert list((scene.folder / "live" / "postgres" / "pg_wal").glob("0*"))
    assert list((scene.folder / "backup" / "postgres" / "pg_wal").glob("0*"))
    assert look.size > 20_000_000
    assert look.found == {}


def test_no_key_that_was_destroyed_is_in_any_file(scene: Scene) -> None:
    keys = scene.lived.keys
    held = [key.secret for ring in (keys.then, keys.late) for purpose in ring.all().values() for key in purpose]
    gone = set(held) - {key.secret for purpose in keys.now.all().values() for key in purpose}
    assert len(gone) == len(FIRST)
    spelled = [base64.b64encode(secret).decode().rstrip("=") for secret in gone]
    bird = Canary((), [*spelled, *(secret.hex() for secret in gone), *(secret.decode("latin-1") for secret in gone)])
    look = look_through(bird, scene.folder / "house", scene.folder / "live", scene.folder / "backup")

    assert look.found == {}


async def test_the_canary_finds_a_phone_when_one_is_in_one_row_or_one_line(
    dsn: str, pg_server: EmbeddedServer, tmp_path: Path
) -> None:
    (tmp_path / "relay.log").write_text(f'{{"event": "sent", "to": "{quote(PEOPLE[7])}"}}\n')
    cluster = pg_server.log.parent / "postgres"
    connection = await asyncpg.connect(dsn)
    try:
        oid = await connection.fetchval("select oid::text from pg_database where datname = current_database()")
        own = cluster / "base" / oid
        before = canary().finds(await dump_of(dsn)), look_through(canary(), own).found
        await connection.execute("update schema_migration set name = $1 where number = 1", PEOPLE[9])
        await connection.execute("checkpoint")
    finally:
        await connection.close()

    assert before == ([], {})
    assert canary().finds(await dump_of(dsn)) != []
    assert look_through(canary(), own).found != {}
    assert look_through(canary(), cluster / "pg_wal").found != {}
    assert look_through(canary(), tmp_path).found != {}


async def test_a_sealed_column_is_found_when_nobody_has_told_of_it(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("alter table message add column sealed_copy bytea")
    finally:
        await connection.close()

    assert ("message", "sealed_copy") in await sealed_columns(dsn) - SEALED.keys()
