"""The loop that empties outboxes: look, pick, through the door, hand over, write the outcome.

A bucket is served by one task at a time, so that pace and order are facts of this process. There are never more texts in
memory than sockets, and not many more that wait for their mark: what waits, waits in the table.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from relay import logs
from relay.core.delivery import Outcome
from relay.core.errors import StorageUnavailable
from relay.services.sending import HandedOver, Intent, Sending
from relay.storage import outbox
from relay.storage.configuration import Configuration, Directory
from relay.storage.database import Database
from relay.storage.outbox import Due, Mark, Queue
from relay.worker.departures import Departures
from relay.worker.leases import Lease, Leases
from relay.worker.legs import Paces, pick
from relay.worker.sockets import Sockets
from relay.worker.wakeup import Wakeup

_LOOK = 200  # heads of legs looked at in one go, at most
_WORTH_A_LOOK = 16  # free sockets for which a bucket is looked into at once, where others wait for sockets as well
_SHORTEST_PAUSE = 0.02  # seconds between two looks into one bucket that nobody asked for
_GATHER = 0.005  # seconds in which several wishes for another look become one
_ENDED = {Outcome.ACCEPTED, Outcome.REFUSED}
_JUST_NOW = 0.05  # seconds: a text that had to wait may not be there yet for a look that begins so soon
_PACE_MEMORY = timedelta(seconds=60)  # how far back the sends of a bucket's former owner slow its numbers down


_Behind = dict[UUID, float]  #: numbers for which texts wait; when the first of them had to, 0 if a look has seen it


@dataclass(frozen=True, slots=True)
class SenderSettings:
    """``busy_poll`` and ``idle_poll``: seconds between looks into a bucket with and without waiting texts."""

    sockets: int = 64
    busy_poll: float = 0.5
    idle_poll: float = 5.0


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a look into a bucket showed."""

    queue: Queue
    now: datetime


class Sender:
    """Serves the buckets of this process."""

    def __init__(
        self,
        database: Database,
        configuration: Configuration,
        sending: Sending,
        *,
        leases: Leases,
        wakeup: Wakeup,
        settings: SenderSettings,
    ) -> None:
        self._database = database
        self._configuration = configuration
        self._sending = sending
        self._leases = leases
        self._wakeup = wakeup
        self._settings = settings
        self._paces = Paces()
        self._serving: set[int] = set()
        self._again: set[int] = set()
        self._starved: dict[int, None] = {}  #: buckets that found no socket free, longest first
        self._more: set[int] = set()  #: buckets whose last look left something behind
        self._behind: dict[int, _Behind] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._sockets = Sockets(settings.sockets)
        self._beginning: set[UUID] = set()  #: numbers of texts that are passing the door, or are being written to leave
        self._epochs: dict[int, int] = {}  #: of the leases under which the paces of a bucket are known
        self._stopping = False

    async def run(self) -> None:
        """Serve, until ``drain`` is called."""
        sweep = 0.0
        while not self._stopping:
            for bucket in self._wakeup.due():
                self._start(bucket)
            await self._wakeup.wait(at_most=0.25)
            if time.monotonic() > sweep:  # a bucket that nobody has planned for is looked into all the same
                sweep = time.monotonic() + self._settings.idle_poll / 2
                for lease in self._leases.held():
                    self._wakeup.at(lease.bucket, sweep)

    async def drain(self) -> None:
        """Begin nothing any more, wait for what is on its way."""
        self._stopping = True
        while self._tasks or self._sockets.any_busy():  # what has a place and is being written has no task yet
            await asyncio.wait(self._tasks) if self._tasks else await asyncio.sleep(0.01)

    def busy(self, bucket: int) -> bool:
        """Is anything of this bucket under way?"""
        return bucket in self._serving or self._sockets.busy(bucket)

    def _start(self, bucket: int) -> None:
        """Serve a bucket, or note that it wants to be served again when the present turn is over."""
        if bucket in self._serving:
            self._again.add(bucket)
        elif self._leases.get(bucket) is not None:
            self._serving.add(bucket)
            self._spawn(self._serve(bucket))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, bucket: int) -> None:
        try:
            await self._turn(bucket)
        except StorageUnavailable as error:
            logs.trouble("bucket_put_off", error, bucket=bucket)
            self._wakeup.at(bucket, time.monotonic() + self._settings.busy_poll)
        except Exception as error:
            logs.trouble("bucket_not_served", error, bucket=bucket)
            self._wakeup.at(bucket, time.monotonic() + self._settings.idle_poll)
        finally:
            self._serving.discard(bucket)
            if bucket in self._again:
                self._again.discard(bucket)
                self._wakeup.at(bucket, time.monotonic() + _GATHER)

    async def _turn(self, bucket: int) -> None:
        """Send what may leave this bucket now, and plan the next look.

        A number with a long queue fills a whole look by itself, so the look is repeated without the numbers that were
        served until nothing new comes.
        """
        served: set[UUID] = set()
        while True:
            room = self._sockets.room()
            if room <= 0:
                self._starve(bucket)
                return
            directory = await self._configuration.current()
            await self._inherit(bucket, directory)
            limit = min(_LOOK, 4 * room)
            seen = await self._look(bucket, directory, served, limit)
            lease = self._leases.get(bucket)
            if lease is None or lease.epoch != self._epochs.get(bucket) or self._stopping:
                return
            room, now = self._sockets.room(), time.monotonic()
            chosen = pick(seen.queue.due, self._paces, directory, now=now, room=room, beginning=self._beginning)
            served |= {text.number_id for text in chosen}
            if chosen:
                await self._begin(lease, chosen, directory)
            if not chosen or seen.queue.heads < limit:
                break
        self._plan(bucket, seen, directory, left=seen.queue.queued - len(chosen))

    def _starve(self, bucket: int) -> None:
        """No socket is free: wait until some are, and look from time to time in case they come one by one."""
        self._starved[bucket] = None
        self._wakeup.at(bucket, time.monotonic() + _SHORTEST_PAUSE)

    async def _inherit(self, bucket: int, directory: Directory) -> None:
        """Learn the paces of a bucket that has just become ours."""
        lease = self._leases.get(bucket)
        if lease is None or self._epochs.get(bucket) == lease.epoch:
            return
        async with self._database.transaction() as tx:
            spent = await outbox.begun_lately(tx, bucket, _PACE_MEMORY)
        self._paces.inherit(spent, time.monotonic(), directory)
        self._epochs[bucket] = lease.epoch

    async def _look(self, bucket: int, directory: Directory, served: set[UUID], limit: int) -> _Seen:
        self._starved.pop(bucket, None)
        began = time.monotonic()
        here = directory.numbers_by_bucket.get(bucket, ())
        waiting = {*self._paces.waiting(here, time.monotonic()), *served}
        async with self._database.single() as tx:
            seen = _Seen(await outbox.due(tx, bucket, limit=limit, waiting_numbers=waiting), tx.now)
        known, is_all = self._behind.get(bucket, {}), seen.queue.queued <= limit
        unseen = {n: at for n, at in known.items() if at > began - _JUST_NOW or not is_all}
        self._behind[bucket] = dict.fromkeys(seen.queue.numbers, 0.0) | unseen
        return seen

    async def _begin(self, lease: Lease, chosen: list[Due], directory: Directory) -> None:
        """Take them through the door and send. Their sockets are counted from here on, before anything is awaited."""
        self._sockets.begin(lease.bucket, len(chosen))
        numbers = {text.number_id for text in chosen}
        self._beginning |= numbers
        begun = 0
        try:
            for intent in await self._sending.begin(lease.bucket, lease.epoch, [text.message_id for text in chosen]):
                passed = intent.passed
                self._paces.spend(passed.number_id, passed.segments, time.monotonic(), directory)
                begun += 1
                self._spawn(self._send(lease, intent, directory))
        finally:
            self._beginning -= numbers
            self._sockets.give_back(lease.bucket, len(chosen) - begun)

    def departures(self, bucket: int, directory: Directory) -> Departures:
        """For texts that are about to be taken in."""
        return Departures(self, bucket, directory, self._sending.settings.start_within)

    def reserve(self, bucket: int, number_id: UUID, directory: Directory) -> int | None:
        """Take a socket and a number's turn for a text that is just being written; returns the lease's epoch.

        None where it has to wait: the bucket is another's or its paces are not known yet, no socket is free, the number's pace
        forbids it, or others wait for that number. Whoever comes later must not overtake it then.
        """
        lease, now = self._leases.get(bucket), time.monotonic()
        if self._stopping or lease is None or self._epochs.get(bucket) != lease.epoch:
            return None
        behind = self._behind.setdefault(bucket, {})
        is_free = number_id not in behind and number_id not in self._beginning and bucket not in self._starved
        if not is_free or self._sockets.room() <= 0 or not self._paces.may_leave(number_id, now, directory):
            behind.setdefault(number_id, now)
            return None
        self._sockets.begin(bucket)
        self._beginning.add(number_id)
        return lease.epoch

    def give_back(self, bucket: int, numbers: Sequence[UUID]) -> None:
        """The sockets and turns of texts that do not leave after all."""
        self._beginning -= set(numbers)
        self._sockets.give_back(bucket, len(numbers))
        self._look_on(bucket)

    def start(self, bucket: int, intent: Intent, epoch: int, directory: Directory) -> None:
        """Send a text that was written with its attempt, under the lease that it was reserved under."""
        passed = intent.passed
        self._beginning.discard(passed.number_id)
        self._paces.spend(passed.number_id, passed.segments, time.monotonic(), directory)
        self._spawn(self._send(Lease(bucket, epoch, until=0.0), intent, directory))

    def take_back(self, bucket: int, attempts: list[Mark]) -> None:
        """Queue again what may have been committed unseen, and surely has not left."""

        async def work() -> None:
            await self._sending.take_back(bucket, attempts)
            await self._wakeup.hint(bucket, self._database)

        self._spawn(work())

    def _plan(self, bucket: int, seen: _Seen, directory: Directory, *, left: int) -> None:
        """Look again when a number is free, when something is due, or after a while, if anything is left behind."""
        now = time.monotonic()
        if seen.queue.next_due is None or left <= 0:
            self._more.discard(bucket)
            self._behind[bucket] = {n: at for n, at in self._behind.get(bucket, {}).items() if at > 0.0}
            self._wakeup.at(bucket, now + self._settings.idle_poll)
            return
        self._more.add(bucket)
        wait = max(0.0, (seen.queue.next_due - seen.now).total_seconds())
        if wait == 0.0:
            here = self._paces.waiting(directory.numbers_by_bucket.get(bucket, ()), now)
            ready = self._paces.next_ready(here, now)
            wait = min(self._settings.busy_poll, ready - now if ready is not None else self._settings.busy_poll)
        self._wakeup.at(bucket, now + min(max(wait, _SHORTEST_PAUSE), self._settings.idle_poll))

    async def _send(self, lease: Lease, intent: Intent, directory: Directory) -> None:
        bucket = lease.bucket
        try:
            try:
                handed = await self._sending.hand_over(intent, lease_until=self._leases.until(lease))
            finally:
                self._sockets.answered()
            self._learn(handed, directory)  # before anything is awaited: the next text may be due already
            self._feed_starved()
            await self._sending.settle_surely(bucket, handed)
            if handed.mark.outcome not in _ENDED:  # it waits again
                self._more.add(bucket)
        except Exception as error:  # left as begun: upkeep will call it ambiguous and look for its fate
            logs.trouble("send_left_open", error)
        finally:
            self._sockets.end(bucket)
            self._look_on(bucket)

    def _look_on(self, bucket: int) -> None:
        """A send has ended: the next of its leg may leave."""
        if bucket in self._more:
            self._wakeup.at(bucket, time.monotonic() + _GATHER)
        self._feed_starved()

    def _feed_starved(self) -> None:
        """Sockets are free: another bucket may have waited for them."""
        if self._starved and self._sockets.is_roomy(_WORTH_A_LOOK):
            longest = next(iter(self._starved))
            del self._starved[longest]
            self._wakeup.now(longest)

    def _learn(self, handed: HandedOver, directory: Directory) -> None:
        if handed.throttled_for is not None:
            number_id: UUID = handed.intent.passed.number_id
            self._paces.throttle(number_id, time.monotonic(), handed.throttled_for, directory)
