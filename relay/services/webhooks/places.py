"""How many endpoints may be waited for at once: so few of one, of one account and in all that none keeps the others
waiting.

Those that did not answer when they were last asked share places of their own, one for each: however many hang, and for
however long, those that answer do not notice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

from relay.storage.configuration import Endpoint


@dataclass(frozen=True, slots=True)
class _Room:
    """Places of one kind."""

    of_endpoint: int
    of_account: int
    in_all: asyncio.Semaphore
    taken: dict[UUID, asyncio.Semaphore] = field(default_factory=dict)


class Places:
    """Of one process. Whoever waits, waits behind its own endpoint's deliveries first, then behind its account's.

    An account has more places than it may have endpoints: a fresh one gets a single event at first, as one that hung.
    """

    def __init__(self) -> None:
        self._lively = _Room(of_endpoint=4, of_account=24, in_all=asyncio.Semaphore(48))
        self._mute = _Room(of_endpoint=1, of_account=4, in_all=asyncio.Semaphore(16))

    @asynccontextmanager
    async def one(self, endpoint: Endpoint, *, is_mute: bool) -> AsyncIterator[None]:
        """Wait for a place and hold it."""
        room = self._mute if is_mute else self._lively
        own = room.taken.setdefault(endpoint.id, asyncio.Semaphore(room.of_endpoint))
        account = room.taken.setdefault(endpoint.account_id, asyncio.Semaphore(room.of_account))
        async with own, account, room.in_all:
            yield
