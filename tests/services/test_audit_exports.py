"""Making packs out of a log that is kept here: keys that take turns, who gives up half-way, and a log that is long."""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
import zipfile
from asyncio.subprocess import PIPE
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast
from uuid import UUID

import pytest

from relay.core.exporting import Period
from relay.core.keys import Purpose
from relay.core.notes import NoteKey, parse_key
from relay.evidence.streaming import PackStream
from relay.evidence.verifying import Wanted, verify_pack
from relay.storage.audit_exports import Export
from relay.storage.database import Database
from relay.vault.log_keys import verify
from tests.services.rig import Rig, make_rig
from tests.services.waiting import until

pytestmark = pytest.mark.long

LOG = Purpose.LOG


@pytest.fixture
async def rig(db: Database) -> Rig:
    return await make_rig(db)


async def grown(rig: Rig, count: int) -> None:
    """So many events more, sealed."""
    async with rig.relay.database.transaction() as tx:
        bucket = rig.account.bucket
        await tx.execute(
            "insert into event (bucket, id, account_id, type, at)"
            " select $1, id, $2, 'pool.ready', $3 from unnest($4::uuid[]) as t(id)",
            bucket, rig.account.id, tx.now, tx.new_ids(bucket, count),
        )  # fmt: skip
    while await rig.relay.audit_log.seal(rig.account.bucket):
        pass


async def asked(rig: Rig) -> Export:
    """Everything, by somebody at the machine."""
    exports, seed = rig.relay.audit_exports, await rig.seed()
    return await exports.ask(rig.account, Period(), {"data": []}, key_id=None, seed=seed)


async def keys(rig: Rig) -> list[NoteKey]:
    rows = await rig.rows("select verifier from audit_key where account_id = $1 order by key_id", rig.account.id)
    return [parse_key(str(row["verifier"])) for row in rows]


async def fetched(rig: Rig, export: Export, path: Path) -> Path:
    with PackStream(await rig.relay.audit_exports.contents(export)) as pack, path.open("wb") as stream:
        async for _ in rig.relay.audit_exports.fill(export, pack):
            stream.write(pack.taken())
        stream.write(pack.taken())
    return path


async def test_a_pack_knows_the_keys_of_its_own_time_when_another_has_come_since(rig: Rig, tmp_path: Path) -> None:
    await grown(rig, 3)
    older = await asked(rig)
    ring, now = rig.relay.vault.keyring, await rig.relay.database.now()
    ring.take(ring.with_next({LOG: now}, now).all())
    ring.seal_with({LOG: 2})
    await grown(rig, 3)
    newer = await asked(rig)
    old_key, new_key = await keys(rig)
    packs = [await fetched(rig, export, tmp_path / f"{n}.zip") for n, export in enumerate((older, newer))]

    assert [len(zipfile.ZipFile(pack).read("keys.txt").splitlines()) for pack in packs] == [1, 2]
    assert verify_pack(packs[0], Wanted([old_key], verify)).holds
    assert not verify_pack(packs[0], Wanted([new_key], verify)).holds
    for key in (old_key, new_key):
        assert verify_pack(packs[1], Wanted([key], verify)).holds


async def test_a_run_begins_with_its_first_second_and_ends_before_its_last(rig: Rig) -> None:
    await grown(rig, 2)
    rig.later(seconds=90)
    await grown(rig, 3)
    (row,) = await rig.rows("select max(at) as last, max(n) as n from audit_entry")
    last, end = cast("datetime", row["last"]), cast("int", row["n"]) + 1
    of = {
        period: await rig.relay.audit_exports.ask(rig.account, period, {}, key_id=None, seed=await rig.seed())
        for period in (
            Period(last),
            Period(None, last),
            Period(last, last + timedelta(seconds=1)),
            Period(last + timedelta(1)),
        )
    }

    assert [(e.first_n, e.end_n) for e in of.values()] == [(end - 3, end), (0, end - 3), (end - 3, end), (0, 0)]


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_nothing_is_left_when_who_fetches_gives_up_anywhere(rig: Rig, tmp_path: Path) -> None:
    """Cancelled at a hundred moments, most of them while a thread writes; and afterwards it works as before."""
    await grown(rig, 1500)
    export, chance = await asked(rig), random.Random(20261121)
    await fetched(rig, export, tmp_path / "first.zip")
    before, ended = open_files(), 0
    for _ in range(100):
        running = asyncio.create_task(fetched(rig, export, tmp_path / "given-up.zip"))
        await asyncio.sleep(chance.random() * 0.08)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
            ended += 1

    assert ended < 90
    assert open_files() <= before
    pack = await fetched(rig, export, tmp_path / "last.zip")
    assert verify_pack(pack, Wanted(await keys(rig), verify)).holds
    assert pack.read_bytes() == (tmp_path / "first.zip").read_bytes()


class Slow(PackStream):
    """A pack that takes its time, and knows whether it was closed meanwhile."""

    at_work, was_disturbed = False, False

    def add_leaves(self, joined: bytes) -> None:
        self.at_work = True
        time.sleep(0.3)
        self.at_work = False

    def close(self) -> None:
        self.was_disturbed |= self.at_work
        super().close()


async def test_a_pack_is_not_closed_while_a_thread_writes_into_it(rig: Rig) -> None:
    await grown(rig, 2)
    export = await asked(rig)
    pack = Slow(await rig.relay.audit_exports.contents(export))

    async def filled() -> None:
        with pack:
            async for _ in rig.relay.audit_exports.fill(export, pack):
                pass

    async def is_at_work() -> bool:
        return pack.at_work

    running = asyncio.create_task(filled())
    await until(is_at_work)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert not pack.was_disturbed


@pytest.mark.long
@pytest.mark.timeout(180)
async def test_memory_stays_the_same_and_others_are_served_when_a_log_is_long(rig: Rig, dsn: str) -> None:
    """Twenty thousand entries in what two thousand take, in a process of its own."""
    await grown(rig, 2_000)
    few = await measured(dsn, (await asked(rig)).id)
    await grown(rig, 18_000)
    many = await measured(dsn, (await asked(rig)).id)

    assert many["sent"] > 9 * few["sent"] > 5_000_000
    assert many["peak"] - few["peak"] < 2_000_000, (few, many)
    assert many["peak"] < 12_000_000, many
    assert many["longest"] < 0.5, many


async def measured(dsn: str, export_id: UUID) -> dict[str, float]:
    command = (sys.executable, "-m", "tests.services.streamed", dsn, str(export_id))
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE)
    said, _ = await process.communicate()
    assert process.returncode == 0
    found: dict[str, float] = json.loads(said)
    return found
