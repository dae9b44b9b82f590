"""What must be done from time to time in every bucket of this process: a list of (period, step), each step a small batch."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from relay import logs, metrics
from relay.core.errors import StorageUnavailable
from relay.worker.leases import Lease, Leases


@dataclass(frozen=True, slots=True)
class Step:
    """``work`` does a small batch in one bucket and says how much it did; it is called again at once while it does any."""

    name: str
    period: float  #: seconds
    work: Callable[[Lease], Awaitable[int]]


class Upkeep:
    """Runs every step on its own, so that none makes another late."""

    def __init__(self, leases: Leases, steps: Sequence[Step]) -> None:
        self._leases = leases
        self._steps = steps

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for step in self._steps:
                group.create_task(self._repeat(step))

    async def _repeat(self, step: Step) -> None:
        due = time.monotonic()
        while True:
            metrics.upkeep_late.labels(step.name).set(max(0.0, time.monotonic() - due))
            for lease in self._leases.held():
                await self._do(step, lease)
            due += step.period
            if due < time.monotonic():
                due = time.monotonic()
            await asyncio.sleep(max(0.01, due - time.monotonic()))

    async def _do(self, step: Step, lease: Lease) -> None:
        try:
            while self._leases.get(lease.bucket) is not None and await step.work(lease):
                pass
        except StorageUnavailable as error:  # the next turn finds what this one left
            logs.trouble("upkeep_put_off", error, step=step.name, bucket=lease.bucket)
        except Exception as error:
            logs.trouble("upkeep_failed", error, step=step.name, bucket=lease.bucket)


class Timely:
    """What has to happen on time: one look per bucket says which steps have work, and only those are done.

    The ``work`` of a ``Step``. A step that fails does not keep the others from their turn.
    """

    def __init__(
        self,
        glance: Callable[[Lease], Awaitable[Sequence[str]]],
        steps: Mapping[str, Callable[[Lease], Awaitable[int]]],
    ) -> None:
        self._glance = glance
        self._steps = steps

    async def __call__(self, lease: Lease) -> int:
        """Do a small batch of everything that is due; says how much was done."""
        done = 0
        for name in await self._glance(lease):
            try:
                done += await self._steps[name](lease)
            except StorageUnavailable:
                raise
            except Exception as error:
                logs.trouble("upkeep_failed", error, step=name, bucket=lease.bucket)
        return done
