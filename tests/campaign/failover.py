"""PostgreSQL's machine is lost while texts come in; its synchronous replica takes over."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from itertools import pairwise
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import asyncpg

from relay.storage.embedded import EmbeddedServer, start_embedded
from tests.campaign.campaign import Plan, Run, complaints, running, talk
from tests.campaign.crowd import Manners
from tests.campaign.history import NEVER
from tests.campaign.outcome import Outcome
from tests.campaign.trouble import Keeper
from tests.campaign.world import SERVER, World, binaries

PLACES = ("api 1", "api 2")


async def failover(folder: Path, *, seed: int, texts: int, rate: float) -> Outcome:
    """Kill the primary under load and promote the replica. No acknowledged text may be lost."""
    plan = Plan(seed, texts, 120.0, manners=Manners(rate=rate, stops=0.05))
    lost_at: list[float] = []
    async with running(plan, folder) as run:
        replica = await _replica(run.world)
        run.world.environment["RELAY_DATABASE_URL"] = _either(run.world.server.dsn, replica.dsn)
        keeper = Keeper(run, PLACES, crash=False, skews=("0",))
        await keeper.begin()

        async def lose_primary(run: Run) -> None:
            while run.crowd.acked < texts // 2:  # noqa: ASYNC110 - the crowd counts, and tells nobody
                await asyncio.sleep(0.05)
            run.world.server.kill()
            lost_at.append(time.time())
            run.world.server = replica
            await run.world.query("alter system reset synchronous_standby_names")
            await run.world.query("select pg_promote()")
            await asyncio.Event().wait()

        await talk(run, _watched(keeper, lose_primary), enough=lambda: run.crowd.acked >= texts, calm=keeper.all_ready)
        wrong = complaints(run, "failover")
        acked = sorted(said.acked for said in run.history.said if said.acked < NEVER)
    around = [at for at in acked if lost_at[0] - 1 < at < lost_at[0] + 60]
    gap = max(later - earlier for earlier, later in pairwise(around))
    before = sum(at <= lost_at[0] for at in acked)
    figures = (
        f"{run.crowd.acked} texts acknowledged, {before} of them before the primary was lost;"
        f" longest silence {gap:.1f} s"
    )
    return Outcome(figures, wrong)


def _watched(keeper: Keeper, trouble):  # type: ignore[no-untyped-def]  # a Trouble in, a Trouble out
    async def both(run: Run) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(keeper.watch())
            await trouble(run)

    return both


async def _replica(world: World) -> EmbeddedServer:
    """A copy of the server that follows it; from now on no commit is confirmed that the copy does not hold."""
    place = world.folder / "replica"
    await asyncio.to_thread(place.mkdir, mode=0o711)
    host = parse_qs(urlsplit(world.server.dsn).query)["host"][0]
    copy = [
        str(binaries() / "pg_basebackup"),
        "-h",
        host,
        "-p",
        "5432",
        "-U",
        "relay",
        "-D",
        str(place / "postgres"),
        "-R",
        "-X",
    ]
    done = await asyncio.create_subprocess_exec(*copy, "stream", "-c", "fast", stderr=subprocess.PIPE)
    _, said = await done.communicate()
    if done.returncode != 0:
        raise AssertionError(f"pg_basebackup: {said.decode()}")
    owner = await asyncio.to_thread((world.folder / "postgres" / "postgres").stat)
    await asyncio.to_thread(_give, place / "postgres", owner.st_uid, owner.st_gid)
    replica = start_embedded(place, binaries=binaries(), settings=SERVER)
    connection = await asyncpg.connect(world.server.dsn)
    await connection.execute("alter system set synchronous_standby_names = '*'")
    await connection.execute("select pg_reload_conf()")
    while not await connection.fetch("select 1 from pg_stat_replication where sync_state = 'sync'"):  # noqa: ASYNC110 - asks
        await asyncio.sleep(0.05)
    await connection.close()
    return replica


def _give(cluster: Path, uid: int, gid: int) -> None:
    for path in (cluster, *cluster.rglob("*")):
        os.chown(path, uid, gid, follow_symlinks=False)


def _either(one: str, other: str) -> str:
    """An address that names both servers; whichever takes writes is used."""
    hosts = [parse_qs(urlsplit(dsn).query)["host"][0] for dsn in (one, other)]
    return f"postgresql://relay@/relay?host={quote(','.join(hosts))}&port=5432,5432&target_session_attrs=primary"
