"""How much waits, as the metrics tell it: summed over buckets, and nothing any more when it has left."""

from __future__ import annotations

import pytest

from relay import metrics
from relay.services.depths import PHASES, Depths
from tests.services.people import numbers
from tests.services.rig import Rig, Talk, start_talk


@pytest.fixture
async def talks(rig: Rig) -> list[Talk]:
    """Two sessions in two pools, which are two buckets."""
    pools = [await rig.pool(name, numbers(2, start=2 * n)) for n, name in enumerate(("one", "two"))]
    return [await start_talk(rig, pool=pool) for pool in pools]


async def measured(rig: Rig, talks: list[Talk], depths: Depths | None = None) -> dict[str, float]:
    """What the metrics say of each phase once every bucket was counted; only what is not zero."""
    depths = depths or Depths(rig.relay.database)
    for talk in talks:
        await depths.measure(talk.bucket)
    found = {phase: shown("relay_outbox_rows", phase) for phase in PHASES}
    return {phase: rows for phase, rows in found.items() if rows}


def shown(name: str, phase: str) -> float:
    value = metrics.REGISTRY.get_sample_value(name, {"phase": phase})
    assert value is not None
    return value


async def test_texts_are_summed_over_buckets_when_they_wait_in_several(rig: Rig, talks: list[Talk]) -> None:
    for _ in range(2):
        await talks[0].say("hello")
    await talks[1].say("hello")

    assert await measured(rig, talks) == {"queued": 3}


async def test_each_phase_has_its_own_count_when_a_send_has_begun(rig: Rig, talks: list[Talk]) -> None:
    await talks[0].say("hello")
    await rig.begin(talks[0].bucket)
    await talks[1].say("hello")

    assert await measured(rig, talks) == {"queued": 1, "sending": 1}


async def test_a_bucket_counts_once_when_it_is_measured_again(rig: Rig, talks: list[Talk]) -> None:
    depths = Depths(rig.relay.database)
    await talks[0].say("hello")
    for _ in range(3):
        found = await measured(rig, talks, depths)

    assert found == {"queued": 1}


async def test_nothing_is_shown_any_more_when_everything_has_left(rig: Rig, talks: list[Talk]) -> None:
    depths = Depths(rig.relay.database)
    await talks[0].say("hello")
    before = await measured(rig, talks, depths)
    await rig.send_all(talks[0].bucket)
    after = await measured(rig, talks, depths)

    assert (before, after) == ({"queued": 1}, {})
    assert shown("relay_outbox_oldest_seconds", "queued") == 0.0


async def test_the_age_is_the_oldest_ones_when_texts_wait_in_several_buckets(rig: Rig, talks: list[Talk]) -> None:
    await talks[0].say("first")
    rig.later(seconds=600)
    await talks[1].say("second")
    rig.later(seconds=60)
    await measured(rig, talks)

    assert 660 <= shown("relay_outbox_oldest_seconds", "queued") < 720
    assert shown("relay_outbox_oldest_seconds", "parked") == 0.0


async def test_there_is_nothing_left_to_do_when_a_bucket_was_measured(rig: Rig, talks: list[Talk]) -> None:
    """Anything else would make upkeep count the same bucket for ever."""
    await talks[0].say("hello")

    assert await Depths(rig.relay.database).measure(talks[0].bucket) == 0
