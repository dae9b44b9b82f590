"""What is asked for together is done together, each caller hears its own result, and a poisonous item fails alone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from relay.core.errors import StorageUnavailable
from relay.storage.coalescer import Coalescer


@dataclass(slots=True)
class Work:
    """Doubles numbers, batch by batch; the first batch lasts until ``go`` is set."""

    go: asyncio.Event = field(default_factory=asyncio.Event)
    batches: list[list[int]] = field(default_factory=list)
    poison: int | None = None
    away: bool = False

    async def __call__(self, bucket: int, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        await self.go.wait()
        if self.away:
            raise StorageUnavailable
        if self.poison in items:
            raise ValueError("poison")
        return [2 * item for item in items]


async def test_those_who_come_while_one_is_served_are_served_together(work: Work) -> None:
    together = Coalescer(work)
    asking = [asyncio.create_task(together.do(1, n)) for n in range(5)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asking += [asyncio.create_task(together.do(1, n)) for n in range(5, 8)]
    await asyncio.sleep(0)
    work.go.set()

    assert await asyncio.gather(*asking) == [0, 2, 4, 6, 8, 10, 12, 14]
    assert work.batches == [[0, 1, 2, 3, 4], [5, 6, 7]]


async def test_buckets_do_not_wait_for_each_other(work: Work) -> None:
    together = Coalescer(work)
    asking = [asyncio.create_task(together.do(bucket, bucket)) for bucket in range(3)]
    await asyncio.sleep(0.01)

    assert sorted(work.batches) == [[0], [1], [2]]
    work.go.set()
    await asyncio.gather(*asking)


async def test_a_bucket_takes_all_that_waits_by_then_when_its_turn_comes_late(work: Work) -> None:
    together = Coalescer(work)
    asking = [asyncio.create_task(together.do(bucket, bucket)) for bucket in range(4)]
    await asyncio.sleep(0.01)
    asking += [asyncio.create_task(together.do(9, n)) for n in range(90, 92)]
    await asyncio.sleep(0.01)
    asking += [asyncio.create_task(together.do(9, n)) for n in range(92, 94)]
    await asyncio.sleep(0.01)
    work.go.set()
    await asyncio.gather(*asking)

    assert work.batches[4:] == [[90, 91, 92, 93]]


async def test_whoever_comes_is_refused_when_somebody_has_waited_too_long_already(work: Work) -> None:
    together = Coalescer(work, patience=0.02)
    served = asyncio.create_task(together.do(1, 1))
    await asyncio.sleep(0.01)
    waits = asyncio.create_task(together.do(1, 2))
    await asyncio.sleep(0.05)

    with pytest.raises(StorageUnavailable):
        await together.do(1, 3)
    work.go.set()
    assert await asyncio.gather(*[served, waits]) == [2, 4]
    assert await together.do(1, 4) == 8


async def test_a_batch_has_its_limit(work: Work) -> None:
    work.go.set()
    together = Coalescer(work)

    results = await asyncio.gather(*(together.do(1, n) for n in range(450)))

    assert results == [2 * n for n in range(450)]
    assert [len(batch) for batch in work.batches] == [200, 200, 50]


async def test_one_fails_alone_when_it_is_to_blame(work: Work) -> None:
    work.go.set()
    work.poison = 3
    together = Coalescer(work)

    results = await asyncio.gather(*(together.do(1, n) for n in range(5)), return_exceptions=True)

    assert [r for r in results if not isinstance(r, Exception)] == [0, 2, 4, 8]
    assert isinstance(results[3], ValueError)


async def test_nothing_is_done_one_by_one_when_the_database_is_away(work: Work) -> None:
    work.go.set()
    work.away = True
    together = Coalescer(work)

    results = await asyncio.gather(*(together.do(1, n) for n in range(5)), return_exceptions=True)

    assert all(isinstance(r, StorageUnavailable) for r in results)
    assert len(work.batches) == 1


async def test_equals_go_one_after_the_other_when_they_may_not_share_a_batch(work: Work) -> None:
    work.go.set()
    together = Coalescer(work, alone=lambda n: n % 10)

    results = await asyncio.gather(*(together.do(1, n) for n in (1, 2, 11, 3, 21)))

    assert results == [2, 4, 22, 6, 42]
    assert work.batches == [[1, 2, 3], [11], [21]]


async def test_what_nobody_waits_for_any_more_is_not_begun(work: Work) -> None:
    together = Coalescer(work)
    first = asyncio.create_task(together.do(1, 1))
    await asyncio.sleep(0.01)
    gone, stays = asyncio.create_task(together.do(1, 2)), asyncio.create_task(together.do(1, 3))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.sleep(0)
    work.go.set()

    assert (await first, await stays) == (2, 6)
    assert work.batches == [[1], [3]]


async def test_it_serves_again_when_it_was_idle(work: Work) -> None:
    work.go.set()
    together = Coalescer(work)

    assert [await together.do(1, n) for n in range(3)] == [0, 2, 4]
    assert len(work.batches) == 3


@pytest.fixture
def work() -> Work:
    return Work()
