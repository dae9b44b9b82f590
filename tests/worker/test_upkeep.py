"""Upkeep: each step on its own, again and again, whatever happens to it or to the others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import pairwise

import pytest

from relay.core.errors import StorageUnavailable
from relay.storage.configuration import Configuration
from relay.storage.database import Database
from relay.wiring import working
from relay.worker.leases import Lease, Leases
from relay.worker.upkeep import Step, Timely, Upkeep
from tests.services.people import numbers
from tests.services.rig import Rig
from tests.services.waiting import until

LEASE = Lease(7, 1, float("inf"))


@pytest.fixture
async def leases(rig: Rig, db: Database) -> Leases:
    """Leases on the account's bucket and two pools'."""
    for n, name in enumerate(("one", "two")):
        await rig.pool(name, numbers(1, start=n))
    leases = Leases(db, Configuration(db), lasting=timedelta(seconds=60), taken=lambda _: None)
    await leases.turn()
    return leases


@asynccontextmanager
async def running(leases: Leases, *steps: Step, turn: float = 1.0) -> AsyncIterator[None]:
    task = asyncio.create_task(Upkeep(leases, steps, turn=turn).run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


class Work:
    """Counts its calls by bucket; ``results`` are what the first calls do, and after that there is nothing to do."""

    def __init__(self, *results: int | Exception) -> None:
        self.calls: list[int] = []
        self._results = list(results)

    async def __call__(self, lease: Lease) -> int:
        self.calls.append(lease.bucket)
        result = self._results.pop(0) if self._results else 0
        if isinstance(result, Exception):
            raise result
        return result

    def seen(self, times: int) -> Callable[[], Awaitable[bool]]:
        async def enough() -> bool:
            return len(self.calls) >= times

        return enough


async def test_a_step_visits_every_bucket_again_and_again(leases: Leases) -> None:
    work, held = Work(), {lease.bucket for lease in leases.held()}
    async with running(leases, Step("any", 0.02, work)):
        await until(work.seen(4 * len(held)))

    assert set(work.calls) == held
    assert work.calls[: len(held)] == work.calls[len(held) : 2 * len(held)]


async def test_a_step_is_called_again_at_once_while_it_does_anything(leases: Leases) -> None:
    work = Work(3, 1)
    async with running(leases, Step("any", 60.0, work)):
        await until(work.seen(5))

    first = work.calls[0]
    assert work.calls[:3] == [first] * 3
    assert len(work.calls) == 5


async def test_other_buckets_have_their_turn_when_one_has_work_without_end(leases: Leases) -> None:
    endless, *others = (lease.bucket for lease in leases.held())
    calls: list[int] = []

    async def work(lease: Lease) -> int:
        calls.append(lease.bucket)
        await asyncio.sleep(0.01)
        return int(lease.bucket == endless)

    async def twice_round() -> bool:
        return all(calls.count(bucket) >= 2 for bucket in others)

    async with running(leases, Step("any", 60.0, work), turn=0.05):
        await until(twice_round)

    assert calls.count(endless) > 4


async def test_a_step_rests_for_as_long_as_it_worked_when_it_is_told_to(leases: Leases) -> None:
    began: list[float] = []

    async def work(lease: Lease) -> int:
        began.append(time.monotonic())
        await asyncio.sleep(0.05)
        return int(len(began) < 5)

    async def five() -> bool:
        return len(began) >= 5

    async with running(leases, Step("any", 60.0, work, rest=2.0)):
        await until(five)

    assert min(later - one for one, later in pairwise(began)) >= 0.15


@pytest.mark.parametrize("error", [StorageUnavailable(), ValueError("broken")])
async def test_a_step_goes_on_when_it_failed(leases: Leases, error: Exception) -> None:
    work = Work(error, error)
    async with running(leases, Step("any", 0.02, work)):
        await until(work.seen(8))

    assert len(work.calls) >= 8


async def test_a_step_comes_round_when_another_one_hangs(leases: Leases) -> None:
    work = Work()

    async def hang(_: Lease) -> int:
        await asyncio.sleep(60)
        return 0

    async with running(leases, Step("stuck", 0.02, hang), Step("any", 0.02, work)):
        await until(work.seen(8))

    assert len(work.calls) >= 8


async def test_missed_turns_are_not_made_up_for_when_one_took_too_long(leases: Leases) -> None:
    """Three periods late, it is its turn once and then again a whole period later."""
    began: list[float] = []
    first, *_ = (lease.bucket for lease in leases.held())

    async def slow_at_first(lease: Lease) -> int:
        if lease.bucket == first:
            began.append(time.monotonic())
            await asyncio.sleep(0.9 if len(began) == 1 else 0)
        return 0

    async def three_turns() -> bool:
        return len(began) >= 3

    async with running(leases, Step("any", 0.3, slow_at_first)):
        await until(three_turns, within=20)

    assert began[1] - began[0] >= 0.9
    assert began[2] - began[1] >= 0.25


async def test_nothing_is_done_when_no_bucket_is_held(leases: Leases) -> None:
    await leases.release()
    work = Work()
    async with running(leases, Step("any", 0.01, work)):
        await asyncio.sleep(0.1)

    assert work.calls == []


async def test_a_step_stops_when_the_lease_is_lost_on_the_way(leases: Leases) -> None:
    calls = 0

    async def lose(_: Lease) -> int:
        nonlocal calls
        calls += 1
        await leases.release()
        return 1

    async with running(leases, Step("any", 60.0, lose)):
        await asyncio.sleep(0.1)

    assert calls == 1


def timely(due: Sequence[str], **steps: Work) -> Timely:
    async def glance(_: Lease) -> Sequence[str]:
        return due

    return Timely(glance, steps)


async def test_only_what_is_due_is_done_when_there_was_a_look() -> None:
    one, two, three = Work(2), Work(5), Work(7)

    assert await timely(["one", "three"], one=one, two=two, three=three)(LEASE) == 9
    assert (one.calls, two.calls, three.calls) == ([7], [], [7])


async def test_the_others_have_their_turn_when_one_fails() -> None:
    one, two = Work(ValueError("broken")), Work(5)

    assert await timely(["one", "two"], one=one, two=two)(LEASE) == 5


async def test_nothing_more_is_tried_when_the_database_is_away() -> None:
    one, two = Work(StorageUnavailable()), Work(5)

    with pytest.raises(StorageUnavailable):
        await timely(["one", "two"], one=one, two=two)(LEASE)
    assert two.calls == []


async def test_what_happens_is_sealed_by_whoever_works(rig: Rig) -> None:
    """With the list of steps as it is put together: nobody has to ask for a log."""
    await rig.pool("one", numbers(1))

    async def all_sealed() -> bool:
        return bool(await rig.value("select coalesce(max(size), 0) = (select count(*) from event) from audit_tree"))

    async with working(rig.relay):
        await until(all_sealed, within=20)
