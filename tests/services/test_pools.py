"""Pools that were left half made: each is prepared in its own bucket's turn, and what is ready is left alone."""

from __future__ import annotations

from uuid import UUID

from relay.storage import accounts
from tests.services.people import numbers
from tests.services.rig import Rig, start_talk

_READY = "select bucket from event where type = 'pool.ready' order by bucket"


async def half_made(rig: Rig, bucket: int) -> UUID:
    """A pool whose row was committed, and whose process was then gone."""
    pool_id = (await rig.seed()).id_in(bucket)
    async with rig.relay.database.transaction() as tx:
        await accounts.add_pool(tx, pool_id, rig.account.id, f"left {pool_id}")
    return pool_id


async def statuses(rig: Rig) -> dict[object, object]:
    return {row["id"]: row["status"] for row in await rig.rows("select id, status from pool")}


async def test_only_half_made_pools_of_the_bucket_are_prepared_when_upkeep_comes_round(rig: Rig) -> None:
    here = [await half_made(rig, 7) for _ in range(2)]
    there = await half_made(rig, 8)
    await rig.relay.configuration.refreshed()

    await rig.relay.pools.prepare_left(7)

    assert await statuses(rig) == {here[0]: "ready", here[1]: "ready", there: "preparing"}
    assert [row["bucket"] for row in await rig.rows(_READY)] == [7, 7]
    known = (await rig.relay.configuration.current()).pools
    assert [known[pool_id].ready for pool_id in (*here, there)] == [True, True, False]


async def test_a_pool_is_made_ready_once_when_upkeep_comes_round_again(rig: Rig) -> None:
    pool_id = await half_made(rig, 7)
    await rig.relay.configuration.refreshed()

    for _ in range(3):
        await rig.relay.pools.prepare_left(7)
    await rig.relay.pools.prepare(rig.account, pool_id)

    assert [row["bucket"] for row in await rig.rows(_READY)] == [7]


async def test_nothing_is_written_when_every_pool_of_the_bucket_is_ready(rig: Rig) -> None:
    talk = await start_talk(rig, pool=await rig.pool("default", numbers(3)))
    await talk.say("STOP", slot=2)
    person = "select xmin::text as version, opted_out from person where bucket = $1 order by party_index"
    before = await rig.rows(person, talk.bucket), await rig.value("select version from configuration")

    assert await rig.relay.pools.prepare_left(talk.bucket) == 0
    assert (await rig.rows(person, talk.bucket), await rig.value("select version from configuration")) == before
