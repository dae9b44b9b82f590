"""Which buckets are mine. A lease is renewed before half of it is over; what cannot be renewed is not used any more.

All processes share the buckets fairly: whoever joins gets some, what a dead one held goes to the others.

Two clocks are at work. The database's decides who owns a bucket. This process's monotonic one, read before the renewal was
asked for, decides until when it may write bytes to a socket: it is always the more careful of the two.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

from relay import logs, metrics
from relay.core.errors import StorageUnavailable
from relay.core.sharing import fair_share
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
    """Holds the leases of this process and keeps them alive; gives up what is another process's fair share.

    ``taken`` hears of a bucket that has become mine. ``busy`` says whether something is still on its way in a bucket: a
    bucket is only given up when nothing is, so that order and pace outlive the move.
    """

    def __init__(
        self, database: Database, configuration: Configuration, *, lasting: timedelta, taken: Callable[[int], None]
    ) -> None:
        self.owner: UUID = uuid4()
        self.busy: Callable[[int], bool] = lambda _: False
        self._database = database
        self._configuration = configuration
        self._lasting = lasting
        self._margin = lasting.total_seconds() / 4
        self._taken = taken
        self._held: dict[int, Lease] = {}
        self._leaving: set[int] = set()

    def get(self, bucket: int) -> Lease | None:
        """The lease of a bucket while new work may rely on it."""
        lease = self._held.get(bucket)
        if lease is None or bucket in self._leaving or time.monotonic() >= lease.until:
            return None
        return lease

    def until(self, lease: Lease) -> float:
        """Until when what has begun under this lease may still write to a socket (monotonic)."""
        current = self._held.get(lease.bucket)
        return current.until if current is not None and current.epoch == lease.epoch else 0.0

    def held(self) -> list[Lease]:
        """All leases that new work may rely on now."""
        return [lease for bucket in self._held if (lease := self.get(bucket)) is not None]

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
        """Renew what is mine, give up what is more than my share, take what nobody holds."""
        wanted = (await self._configuration.current()).buckets
        asked = time.monotonic()
        until = asked + self._lasting.total_seconds() - self._margin
        async with self._database.transaction() as tx:
            mine = await leases.renew(tx, self.owner, self._lasting)
            owners = await leases.owners(tx, self.owner, self._lasting)
        self._held = {bucket: Lease(bucket, epoch, until) for bucket, epoch in mine.items()}
        share = fair_share(owners, len(wanted)).get(self.owner, 0)
        await self._give_up(len(self._held) - share)
        missing = wanted - self._held.keys()
        if missing and len(self._held) < share:
            await self._take_some(missing, share, before=asked + self._margin)

    async def _give_up(self, too_many: int) -> None:
        """Begin nothing new in so many buckets; hand over those in which nothing is under way any more."""
        self._leaving &= self._held.keys()
        staying = sorted(self._held.keys() - self._leaving, key=self.busy)
        while len(self._leaving) > max(0, too_many):
            self._leaving.pop()
        self._leaving |= set(staying[: max(0, too_many - len(self._leaving))])
        quiet = {bucket for bucket in self._leaving if not self.busy(bucket)}
        if not quiet:
            return
        for bucket in quiet:
            del self._held[bucket]
        self._leaving -= quiet
        async with self._database.transaction() as tx:
            await leases.give_back(tx, self.owner, quiet)
        logs.note("buckets_given_back", count=len(quiet))

    async def _take_some(self, missing: Iterable[int], share: int, *, before: float) -> None:
        """Take free buckets up to my share. What is mine comes first: stop when its renewal is near."""
        async with self._database.transaction() as tx:
            free = await leases.free(tx, missing)
        random.shuffle(free)  # two processes that begin at the same end would only get in each other's way
        for bucket in free:
            if len(self._held) >= share or time.monotonic() > before:
                return
            with suppress(StorageUnavailable):  # one row that somebody holds must not keep the others from being taken
                await self._take(bucket)

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
