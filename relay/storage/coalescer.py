"""Many callers, one transaction: what is asked for in a bucket while a transaction of that bucket is under way goes
together into the next one.

Nobody waits for others to come: a lone caller is served at once, and batches form by themselves when much is asked for. A
caller hears its result only after the commit that holds it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from relay.core.errors import StorageUnavailable

Item = TypeVar("Item")
Result = TypeVar("Result")

_MOST = 200  # items in one transaction
_AT_ONCE = 4  # transactions of one kind of work, for each process: more would only make each of them smaller


@dataclass(slots=True)
class _Asked(Generic[Item, Result]):
    item: Item
    answer: asyncio.Future[Result]
    since: float


class Coalescer(Generic[Item, Result]):
    """``work`` does a batch of one bucket in one transaction and gives one result for each item, in order.

    Items that are equal by ``alone`` never share a batch: the later one waits for the next. With ``patience``, nobody has to
    wait behind somebody who has waited for so many seconds: whoever comes then is told to come again.
    """

    def __init__(
        self,
        work: Callable[[int, Sequence[Item]], Awaitable[Sequence[Result]]],
        *,
        alone: Callable[[Item], Hashable] | None = None,
        patience: float | None = None,
    ) -> None:
        self._work = work
        self._alone = alone
        self._patience = patience
        self._waiting: dict[int, list[_Asked[Item, Result]]] = {}
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    async def do(self, bucket: int, item: Item) -> Result:
        """The item's own result. Raises what its work raised, and StorageUnavailable when too much waits already."""
        loop, waiting = asyncio.get_running_loop(), self._waiting.get(bucket)
        if waiting and self._patience is not None and loop.time() - waiting[0].since > self._patience:
            raise StorageUnavailable
        asked: _Asked[Item, Result] = _Asked(item, loop.create_future(), loop.time())
        if waiting is None:
            self._waiting[bucket] = [asked]
            task = asyncio.create_task(self._serve(bucket))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            waiting.append(asked)
        return await asked.answer

    async def _serve(self, bucket: int) -> None:
        """Batch after batch until nobody waits. What is asked for while others have their turn comes into the next one."""
        while self._waiting[bucket]:
            async with self._turns:
                if batch := self._next(bucket):
                    await self._do(bucket, batch)
        del self._waiting[bucket]

    def _next(self, bucket: int) -> list[_Asked[Item, Result]]:
        """The next batch, in the order of asking. Whoever has gone away meanwhile is left out: nothing of it has begun."""
        waiting = [asked for asked in self._waiting[bucket] if not asked.answer.done()]
        batch: list[_Asked[Item, Result]] = []
        later: list[_Asked[Item, Result]] = []
        taken: set[Hashable] = set()
        for asked in waiting:
            name = self._alone(asked.item) if self._alone else None
            if len(batch) < _MOST and (name is None or name not in taken):
                batch.append(asked)
            else:
                later.append(asked)
            taken.add(name)
        self._waiting[bucket] = later
        return batch

    async def _do(self, bucket: int, batch: Sequence[_Asked[Item, Result]]) -> None:
        """Do a batch. If it fails and trying again cannot help, each item is done alone: one of them may be to blame."""
        try:
            results = await self._work(bucket, [asked.item for asked in batch])
        except StorageUnavailable as error:
            _fail(batch, error)
        except Exception as error:
            if len(batch) == 1:
                _fail(batch, error)
                return
            for asked in batch:
                await self._do(bucket, [asked])
        else:
            for asked, result in zip(batch, results, strict=True):
                if not asked.answer.done():
                    asked.answer.set_result(result)


def _fail(batch: Sequence[_Asked[Item, Result]], error: Exception) -> None:
    for asked in batch:
        if not asked.answer.done():
            asked.answer.set_exception(error)
