"""How many endpoints may be waited for at once: so few of one, of one account and in all that none keeps the others
waiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from relay.storage.configuration import Endpoint


class Places:
    """Of one process. Whoever waits for a place, waits behind its own endpoint's deliveries first, then behind its
    account's."""

    def __init__(self, *, of_endpoint: int = 4, of_account: int = 12, in_all: int = 48) -> None:
        self._of_endpoint, self._of_account = of_endpoint, of_account
        self._in_all = asyncio.Semaphore(in_all)
        self._taken: dict[UUID, asyncio.Semaphore] = {}

    @asynccontextmanager
    async def one(self, endpoint: Endpoint) -> AsyncIterator[None]:
        """Wait for a place and hold it."""
        own = self._taken.setdefault(endpoint.id, asyncio.Semaphore(self._of_endpoint))
        account = self._taken.setdefault(endpoint.account_id, asyncio.Semaphore(self._of_account))
        async with own, account, self._in_all:
            yield
