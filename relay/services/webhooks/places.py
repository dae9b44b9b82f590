"""How many endpoints may be waited for at once: so few of one, of one account and in all that none keeps the others
waiting.

Those that did not answer when they were last asked share places of their own, one for each: however many hang, and for
however long, those that answer do not notice. Trials by hand have places of their own, so few of each account that all
together need no limit.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from relay.core.errors import TooMany
from relay.storage.configuration import Endpoint

_TRIALS = 4  # of one account
_TRY_AGAIN_AFTER = 15  # seconds: that long one of them may take


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


class Trials:
    """Of one process. Whoever makes one waits for it, so whoever has too many open is told at once."""

    def __init__(self) -> None:
        self._open = Counter[UUID]()

    @contextmanager
    def one(self, account_id: UUID) -> Iterator[None]:
        """Hold a place. Raises TooMany."""
        if self._open[account_id] >= _TRIALS:
            raise TooMany(_TRY_AGAIN_AFTER, f"{_TRIALS} webhooks of this account are being tried out.")
        self._open[account_id] += 1
        try:
            yield
        finally:
            self._open[account_id] -= 1
