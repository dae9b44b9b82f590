"""Telling endpoints as a process does it, over real sockets: whoever answers late or never keeps nobody else waiting."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from relay.providers.guarded import open_guarded_transport
from relay.services.webhooks.posting import Posting
from relay.storage.database import Database
from relay.worker.herald import Herald
from relay.worker.leases import Leases
from tests.services.listening import listen
from tests.services.rig import Rig, make_rig
from tests.services.waiting import until
from tests.worker.listeners import Listeners, listeners


@pytest.fixture
async def rig(db: Database) -> Rig:
    return await make_rig(db, loopback_webhooks=True)


@pytest.fixture
async def there() -> AsyncIterator[Listeners]:
    async with listeners() as found:
        yield found


@asynccontextmanager
async def telling(rig: Rig, *, within: float) -> AsyncIterator[Leases]:
    """A process that owns every bucket and tells endpoints, until the block is left."""
    relay = rig.relay
    async with open_guarded_transport(loopback_allowed=True) as transport:
        posting = Posting(relay.vault, transport, http_allowed=True, within=within)
        delivering = replace(relay.delivering, posting=posting)
        leases = Leases(relay.database, relay.configuration, lasting=timedelta(minutes=5), taken=lambda _: None)
        while len(leases.held()) < len((await relay.configuration.refreshed()).buckets):
            await leases.turn()
        task = asyncio.create_task(Herald(leases, relay.configuration, relay.telling, delivering).run())
        try:
            yield leases
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def happen(rig: Rig, count: int) -> None:
    async with rig.relay.database.transaction() as tx:
        for event_id in tx.new_ids(rig.account.bucket, count):
            await tx.execute(
                "insert into event (bucket, id, account_id, type, at) values ($1, $2, $3, 'pool.ready', $4)",
                rig.account.bucket, event_id, rig.account.id, tx.now,
            )  # fmt: skip


#: Where it is posted to: state, failure and status of its delivery after the first try.
ANSWERS = {
    "ok": ("delivered", None, 200),
    "slow": ("delivered", None, 200),
    "204": ("delivered", None, 204),
    "huge": ("delivered", None, 200),
    "301": ("waiting", "status", 301),
    "307": ("waiting", "status", 307),
    "404": ("waiting", "status", 404),
    "500": ("waiting", "status", 500),
    "410": ("failed", "status", 410),
    "drip": ("waiting", "deadline", None),
    "hang": ("waiting", "deadline", None),
    "reset": ("waiting", "protocol", None),
    "garbage": ("waiting", "protocol", None),
}


async def test_each_answer_is_taken_for_what_it_is_when_endpoints_answer_in_every_way(
    rig: Rig, there: Listeners
) -> None:
    made = {path: (await listen(rig, ["pool.*"], url=f"{there.url}/{path}"))[0].endpoint.id for path in ANSWERS}
    nowhere = (await listen(rig, ["pool.*"], url="http://127.0.0.1:9/"))[0].endpoint.id
    await happen(rig, 1)
    async with telling(rig, within=0.6):
        await until(lambda: all_tried(rig, len(ANSWERS) + 1), within=20)
    rows = await rig.rows("select endpoint_id, state, failure, last_status, tries from delivery")
    found = {row["endpoint_id"]: (row["state"], row["failure"], row["last_status"]) for row in rows}

    assert {path: found[endpoint_id] for path, endpoint_id in made.items()} == ANSWERS
    assert found[nowhere] == ("waiting", "connect", None)
    assert there.came["/301"] == there.came["/307"] == 1
    assert there.came["/ok"] == 1, "no redirect was followed"
    assert await rig.value("select array_agg(distinct disabled_reason) from endpoint where status = 'disabled'") == [
        "gone"
    ]


async def all_tried(rig: Rig, count: int) -> bool:
    return await rig.value("select count(*) from delivery where tries > 0") == count


@pytest.mark.long
async def test_nobody_waits_for_those_that_hang_when_they_have_many_events(rig: Rig, there: Listeners) -> None:
    for n in range(18):
        await listen(rig, ["pool.*"], url=f"{there.url}/hang/{n}")
    await listen(rig, ["pool.*"], url=f"{there.url}/ok")
    async with telling(rig, within=30.0):
        began = time.monotonic()
        await happen(rig, 60)
        await until(lambda: came(there, "/ok", 60), within=20)
        first = time.monotonic() - began
        await happen(rig, 1)
        await until(lambda: came(there, "/ok", 61), within=20)
        took = time.monotonic() - began - first

    assert max(first, took) < 10, "less than the deadline of those that hang"
    assert {there.most[f"/hang/{n}"] for n in range(18)} == {1}
    assert there.most["/ok"] <= 4


async def came(there: Listeners, path: str, count: int) -> bool:
    return there.came[path] >= count


async def test_an_event_is_told_soon_after_it_happened_when_little_is_going_on(rig: Rig, there: Listeners) -> None:
    await listen(rig, ["pool.*"], url=f"{there.url}/ok")
    async with telling(rig, within=5.0):
        await asyncio.sleep(0.1)
        for n in range(2):
            began = time.monotonic()
            await happen(rig, 1)
            await until(lambda n=n: came(there, "/ok", n + 1), within=20)  # type: ignore[misc]  # bound at once
            assert time.monotonic() - began < 3


async def test_nothing_is_told_when_the_bucket_is_anothers(rig: Rig, there: Listeners) -> None:
    await listen(rig, ["pool.*"], url=f"{there.url}/ok")
    async with telling(rig, within=5.0) as leases:
        await leases.release()
        await happen(rig, 1)
        await asyncio.sleep(0.8)

    assert await rig.value("select count(*) from numbered_event") == 0
    assert not there.came
