"""Tells the accounts' endpoints what happens in the buckets of this process: finds new events, and posts what is due.

Nothing of it is in anybody's way: it gives way while others work, and every endpoint is served by itself. Whoever is
slow is waited for by nobody else.
"""

from __future__ import annotations

import asyncio
import time
from uuid import UUID

from relay import logs
from relay.core.errors import StorageUnavailable
from relay.precedence import give_way
from relay.services.webhooks.delivering import Delivering
from relay.services.webhooks.telling import Telling
from relay.storage.configuration import Configuration
from relay.worker.leases import Leases

_PERIOD = 0.5  # seconds between looks where little is going on
_LONGEST_PAUSE = 5.0
_SHARE = 0.1  # of the time for looking in vain, where there are many buckets


class Herald:
    """One for each process that owns buckets."""

    def __init__(self, leases: Leases, configuration: Configuration, telling: Telling, delivering: Delivering) -> None:
        self._leases = leases
        self._configuration = configuration
        self._telling = telling
        self._delivering = delivering
        self._served: set[tuple[int, UUID]] = set()

    async def run(self) -> None:
        """For ever. What fails is found again at the next look."""
        async with asyncio.TaskGroup() as group:
            while True:
                began = time.monotonic()
                found = await self._look_everywhere(group)
                worked = time.monotonic() - began
                if found:
                    await give_way(worked, at_most=_LONGEST_PAUSE)
                else:
                    await asyncio.sleep(min(_LONGEST_PAUSE, max(_PERIOD, worked / _SHARE)))

    async def _look_everywhere(self, group: asyncio.TaskGroup) -> int:
        """Look into every bucket in which an account with endpoints has something; says how much was found."""
        places, found = await self._known(), 0
        for lease in self._leases.held():
            if lease.bucket in places:
                found += await self._look(group, lease.bucket)
        return found

    async def _known(self) -> frozenset[int]:
        try:
            return frozenset((await self._configuration.current()).endpoints_by_bucket)
        except Exception as error:  # a login refused for a while must not end this for good
            logs.trouble("webhooks_put_off", error)
            return frozenset()

    async def _look(self, group: asyncio.TaskGroup, bucket: int) -> int:
        try:
            found = await self._telling.tell_new(bucket)
            for endpoint_id in await self._delivering.with_due(bucket):
                if (bucket, endpoint_id) not in self._served:
                    self._served.add((bucket, endpoint_id))
                    group.create_task(self._serve(bucket, endpoint_id))
        except StorageUnavailable as error:
            logs.trouble("webhooks_put_off", error, bucket=bucket)
        except Exception as error:
            logs.trouble("webhooks_failed", error, bucket=bucket)
        else:
            return found
        return 0

    async def _serve(self, bucket: int, endpoint_id: UUID) -> None:
        """Post to one endpoint until nothing is due for it in a bucket, or it takes nothing."""
        try:
            while self._leases.get(bucket) is not None and await self._delivering.deliver(bucket, endpoint_id):
                pass
        except StorageUnavailable as error:
            logs.trouble("webhooks_put_off", error, bucket=bucket)
        except Exception as error:
            logs.trouble("webhooks_failed", error, bucket=bucket)
        finally:
            self._served.discard((bucket, endpoint_id))
