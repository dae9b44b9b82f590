"""Which buckets are mine. A lease is renewed before half of it is over; what cannot be renewed is not used any more.

Two clocks are at work. The database's decides who owns a bucket. This process's monotonic one, read before the renewal was
asked for, decides until when it may write bytes to a socket: it is always the more careful of the two.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

from relay import logs, metrics
from relay.core.errors import StorageUnavailable
from relay.storage import leases
from relay.storage.configuration import Configuration
from relay.storage.database import Database


@dataclass(frozen=True, slots=True)
class Lease:
    """A bucket that this process owns. ``until`` is monotonic: no byte is written to a provider after it."""

    bucket: int
    epoch: int
    until: float


class Leases:
    """Holds the leases of this process and keeps them alive."""

    def __init__(
        self, database: Database, configuration: Configuration, *, lasting: timedelta, taken: Callable[[int], None]
    ) -> None:
        self.owner: UUID = uuid4()
        self._database = database
        self._configuration = configuration
        self._lasting = lasting
        self._margin = lasting.total_seconds() / 4
        self._taken = taken
        self._held: dict[int, Lease] = {}

    def get(self, bucket: int) -> Lease | None:
        """The lease of a bucket while it can be relied on."""
        lease = self._held.get(bucket)
        return lease if lease is not None and time.monotonic() < lease.until else None

    def held(self) -> list[Lease]:
        """All leases that can be relied on now."""
        now = time.monotonic()
        return [lease for lease in self._held.values() if now < lease.until]

    async def run(self) -> None:
        """Renew and take, for ever. A database that is away costs the leases and nothing else."""
        while True:
            try:
                await self.turn()
            except Exception as error:  # a login refused for a while must not end this for good
                logs.trouble("leases_not_renewed", error)
            metrics.buckets.set(len(self.held()))
            await asyncio.sleep(self._lasting.total_seconds() / 4)

    async def turn(self) -> None:
        """Renew what is mine, take what nobody holds."""
        directory = await self._configuration.current()
        asked = time.monotonic()
        until = asked + self._lasting.total_seconds() - self._margin
        async with self._database.transaction() as tx:
            mine = await leases.renew(tx, self.owner, self._lasting)
        self._held = {bucket: Lease(bucket, epoch, until) for bucket, epoch in mine.items()}
        wanted = directory.buckets - self._held.keys()
        if not wanted:
            return
        async with self._database.transaction() as tx:
            free = await leases.free(tx, wanted)
        for bucket in free:
            with suppress(StorageUnavailable):  # one row that somebody holds must not keep the others from being taken
                await self._take(bucket)
            if time.monotonic() - asked > self._margin:
                return  # what is mine comes first

    async def _take(self, bucket: int) -> None:
        until = time.monotonic() + self._lasting.total_seconds() - self._margin
        async with self._database.transaction() as tx:
            epoch = await leases.take(tx, bucket, self.owner, self._lasting)
        if epoch is not None:
            self._held[bucket] = Lease(bucket, epoch, until)
            self._taken(bucket)

    async def release(self) -> None:
        """Give everything back, so that another process need not wait."""
        self._held = {}
        try:
            async with self._database.transaction() as tx:
                await leases.release(tx, self.owner)
        except StorageUnavailable as error:
            logs.trouble("leases_not_released", error)
