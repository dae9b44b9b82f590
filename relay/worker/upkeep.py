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
    """``work`` does a small batch in one bucket and says how much it did; it is called again at once while it does any.
    ``rest``: what is big and in no hurry pauses after each batch, for so many times as long as that took."""

    name: str
    period: float  #: seconds
    work: Callable[[Lease], Awaitable[int]]
    rest: float = 0.0


class Upkeep:
    """Runs every step on its own, so that none makes another late. ``turn``: seconds of a step for one bucket before the next
    one's: what is big in one must not hold up all."""

    def __init__(self, leases: Leases, steps: Sequence[Step], *, turn: float = 1.0) -> None:
        self._leases = leases
        self._steps = steps
        self._turn = turn

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for step in self._steps:
                group.create_task(self._repeat(step))

    async def _repeat(self, step: Step) -> None:
        due = time.monotonic()
        while True:
            metrics.upkeep_late.labels(step.name).set(max(0.0, time.monotonic() - due))
            left = [await self._do(step, lease) for lease in self._leases.held()]
            due = time.monotonic() if any(left) else max(due + step.period, time.monotonic())
            await asyncio.sleep(max(0.01, due - time.monotonic()))

    async def _do(self, step: Step, lease: Lease) -> bool:
        """One bucket's turn; says whether it was over before its work was."""
        began = now = time.monotonic()
        try:
            while self._leases.get(lease.bucket) is not None and await step.work(lease):
                await asyncio.sleep(step.rest * (time.monotonic() - now))
                now = time.monotonic()
                if now > began + self._turn:
                    return True
        except StorageUnavailable as error:  # the next turn finds what this one left
            logs.trouble("upkeep_put_off", error, step=step.name, bucket=lease.bucket)
        except Exception as error:
            logs.trouble("upkeep_failed", error, step=step.name, bucket=lease.bucket)
        return False


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
