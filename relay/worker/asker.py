"""The loop that asks hooks about texts, beside the loop that sends.

Slow hooks make only their own pool's texts wait: so many questions are open at once for one pool, and an account never has
more than it leaves to all others. What waits, waits in the table; a question that is open when the process ends is asked again
by the next one.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from relay import logs
from relay.core.errors import StorageUnavailable
from relay.services.hooks.asking import Job
from relay.storage.configuration import Configuration, Directory
from relay.worker.leases import Leases
from relay.worker.wakeup import Wakeup

_OF_ONE_POOL = 16  # questions that wait for an answer at once
_IN_ALL = 128  #: half of it for the first account that hangs, half of what is left for the next
_REMEMBERED = 30.0  # seconds that a bucket is looked into after its last hook was removed


class Desk(Protocol):
    """Where questions of a kind wait."""

    async def due(
        self, bucket: int, *, limit: int, busy_pools: Collection[UUID], asking: Collection[UUID]
    ) -> list[Job]:
        """Those that are to be asked now, oldest first."""


@dataclass(slots=True)
class Asker:
    """``poll``: seconds between looks into a bucket that nobody has spoken of."""

    configuration: Configuration
    desks: Sequence[Desk]
    leases: Leases
    poll: float
    _wakeup: Wakeup = field(default_factory=Wakeup)
    _buckets: dict[int, float] = field(
        default_factory=dict
    )  #: where there is somebody to ask, or was a while ago; until when
    _held: frozenset[int] = frozenset()
    _open: dict[UUID, UUID] = field(default_factory=dict)  #: job -> pool

    def hear(self, bucket: int) -> None:
        """There is new work in this bucket."""
        if bucket in self._buckets:
            self._wakeup.now(bucket)

    async def run(self) -> None:
        """For ever."""
        sweep = 0.0
        async with asyncio.TaskGroup() as group:
            while True:
                if time.monotonic() > sweep:
                    sweep = time.monotonic() + self.poll
                    await self._sweep()
                for bucket in self._wakeup.due():
                    if self.leases.get(bucket) is not None:
                        await self._look(bucket, group)
                await self._wakeup.wait(at_most=sweep - time.monotonic())

    async def _sweep(self) -> None:
        """Look where nobody has told us to. Where a hook was removed its texts are let go: those that somebody takes in who has
        not heard of it, and those that a former owner of the bucket left."""
        try:
            here = (await self.configuration.current()).hooked_buckets
        except StorageUnavailable:
            return
        now, held = time.monotonic(), frozenset(lease.bucket for lease in self.leases.held())
        self._buckets.update(dict.fromkeys(here, now + _REMEMBERED))
        self._buckets = {bucket: until for bucket, until in self._buckets.items() if until > now}
        for bucket in self._buckets.keys() | (held - self._held):
            self._wakeup.now(bucket)
        self._held = held

    async def _look(self, bucket: int, group: asyncio.TaskGroup) -> None:
        try:
            directory = await self.configuration.current()
            for desk in self.desks:
                while await self._ask_some(desk, bucket, directory, group):
                    pass
        except StorageUnavailable as error:
            logs.trouble("hooks_put_off", error, bucket=bucket)
        except Exception as error:
            logs.trouble("hooks_not_asked", error, bucket=bucket)

    async def _ask_some(self, desk: Desk, bucket: int, directory: Directory, group: asyncio.TaskGroup) -> bool:
        """Ask about what there is room for; says whether there may be more."""
        room = _IN_ALL - len(self._open)
        if room <= 0:
            return False
        found = await desk.due(bucket, limit=room, busy_pools=self._busy(directory), asking=self._open)
        for job in found:
            number = directory.numbers.get(job.number_id)
            pool_id = number.pool_id if number else job.number_id
            if pool_id not in self._busy(directory):
                self._open[job.id] = pool_id
                group.create_task(self._ask(bucket, job))
        return len(found) == room

    def _busy(self, directory: Directory) -> set[UUID]:
        """The pools about whose texts nobody more may be asked now: they have enough on their hands, or their account has."""
        of_pools = Counter(self._open.values())
        of_accounts = Counter(directory.pools[id].account_id for id in self._open.values() if id in directory.pools)
        busy = {pool_id for pool_id, count in of_pools.items() if count >= _OF_ONE_POOL}
        for account_id, count in of_accounts.items():
            if count >= _IN_ALL - len(self._open):
                busy |= {pool.id for pool in directory.pools_of(account_id)}
        return busy

    async def _ask(self, bucket: int, job: Job) -> None:
        try:
            await job.ask()
        except Exception as error:  # it is still to be asked about, after a while
            logs.trouble("hook_answer_not_written", error, bucket=bucket)
            await asyncio.sleep(self.poll)
        finally:
            del self._open[job.id]
            self._wakeup.now(bucket)
