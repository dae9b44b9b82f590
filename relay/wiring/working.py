"""What runs beside the requests: keys that take turns, buckets that are owned, texts that leave, the house that is kept."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from relay import logs
from relay.core.errors import StorageUnavailable
from relay.services.inbound.departures import Closed
from relay.wiring.parts import Relay
from relay.wiring.steps import steps
from relay.worker.asker import Asker
from relay.worker.herald import Herald
from relay.worker.keykeeper import KeyKeeper
from relay.worker.leases import Leases
from relay.worker.sender import Sender, SenderSettings
from relay.worker.upkeep import Upkeep


@asynccontextmanager
async def keeping_keys(relay: Relay) -> AsyncIterator[None]:
    """Take part in the rotation of keys until the block is left. Whoever seals anything has to."""
    await relay.rotation.learn()
    task = asyncio.create_task(KeyKeeper(relay.rotation, rotates=relay.settings.rotate_keys).run())
    task.add_done_callback(_must_not_end)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        with suppress(StorageUnavailable):
            await relay.rotation.leave()


@asynccontextmanager
async def working(relay: Relay) -> AsyncIterator[Leases]:
    """Own buckets, send, keep house; until the block is left, when what is on its way is waited for."""
    settings = relay.settings
    leases = Leases(
        relay.database, relay.configuration, lasting=timedelta(seconds=settings.lease), taken=relay.wakeup.now
    )
    relay.wakeup.served_here = lambda bucket: leases.get(bucket) is not None
    sender_settings = SenderSettings(settings.sockets, settings.busy_poll, settings.idle_poll)
    sender = Sender(
        relay.database,
        relay.configuration,
        relay.sending,
        leases=leases,
        wakeup=relay.wakeup,
        settings=sender_settings,
    )
    leases.busy = sender.busy
    relay.inbound.gate = sender.departures
    desks = (relay.interception, relay.out_of_session)
    asker = Asker(relay.configuration, desks, leases=leases, poll=settings.busy_poll)
    relay.wakeup.beside = asker.hear
    house = Upkeep(leases, steps(relay))
    herald = Herald(leases, relay.configuration, relay.telling, relay.delivering)
    runs = (leases.run(), relay.wakeup.listen(relay.database), sender.run(), asker.run(), house.run(), herald.run())
    tasks = [asyncio.create_task(run) for run in runs]
    for task in tasks:
        task.add_done_callback(_must_not_end)
    try:
        yield leases
    finally:
        relay.inbound.gate = Closed
        with suppress(TimeoutError):  # what is still on its way after that counts as ambiguous
            await asyncio.wait_for(sender.drain(), settings.drain_within)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await leases.release()


def _must_not_end(task: asyncio.Task[None]) -> None:
    """A worker without one of its parts would look alive and do nothing: better to stop and be started again."""
    if not task.cancelled() and (error := task.exception()) is not None:
        logs.trouble("worker_part_ended", error)
        signal.raise_signal(signal.SIGTERM)
