"""The database's time between two readings: carried forward, never guessed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from relay.storage.clock import MAX_AGE, Clock
from relay.storage.database import Database

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Counter:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


def test_the_time_is_not_known_when_nobody_was_asked() -> None:
    assert Clock(Counter()).now() is None


def test_the_time_goes_on_when_it_was_told_a_moment_ago() -> None:
    counter = Counter()
    clock = Clock(counter)
    clock.heard(NOON, asked=counter.at)

    counter.at += 0.5

    assert clock.now() == NOON + timedelta(seconds=0.5)


def test_the_time_is_asked_for_again_when_the_last_answer_is_old() -> None:
    counter = Counter()
    clock = Clock(counter)
    clock.heard(NOON, asked=counter.at)

    counter.at += MAX_AGE

    assert clock.now() is None


def test_an_answer_does_not_count_when_it_was_long_on_its_way() -> None:
    counter = Counter()
    clock = Clock(counter)
    asked = counter.at

    counter.at += 3.0
    clock.heard(NOON, asked)

    assert clock.now() is None


async def test_a_transaction_has_the_databases_time_when_it_was_not_asked_for(db: Database) -> None:
    read, slack = "select clock_timestamp()", timedelta(milliseconds=50)
    for _ in range(20):
        async with db.transaction() as tx:
            before: datetime = await tx.fetchval(read)
        async with db.transaction() as tx:
            after: datetime = await tx.fetchval(read)

            assert before - slack < tx.now < after + slack
