"""When keys come, which one seals, and which may go."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from relay.core import keys
from relay.core.keys import KeyName, Published, Purpose

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)


def key(
    key_id: int,
    *,
    purpose: Purpose = Purpose.TRANSIT,
    use_from: datetime | None = None,
    since: datetime | None = None,
    in_use: bool = True,
    destroyed: bool = False,
) -> Published:
    return Published(KeyName(purpose, key_id), use_from, in_use, since, destroyed)


@pytest.mark.parametrize(
    ("purpose", "began", "is_due"),
    [
        (Purpose.TRANSIT, NOW - DAY + HOUR + timedelta(seconds=1), False),
        (Purpose.TRANSIT, NOW - DAY + HOUR, True),
        (Purpose.TRANSIT, NOW - 30 * DAY, True),
        (Purpose.TRANSIT, None, True),
        (Purpose.EPOCH, NOW - WEEK + HOUR + timedelta(seconds=1), False),
        (Purpose.EPOCH, NOW - WEEK + HOUR, True),
        (Purpose.INDEX, NOW - 400 * DAY, False),
        (Purpose.SETTINGS, None, False),
    ],
)
def test_the_next_key_is_due_an_hour_before_the_last_ones_time_is_over(
    purpose: Purpose, began: datetime | None, is_due: bool
) -> None:
    assert keys.due([key(1, purpose=purpose, use_from=began)], NOW) == ({purpose: NOW + HOUR} if is_due else {})


def test_no_key_is_due_when_the_next_one_is_published_already() -> None:
    published = [key(1), key(2, use_from=NOW + timedelta(minutes=1), in_use=False)]

    assert keys.due(published, NOW) == {}


def test_the_newest_key_in_use_seals() -> None:
    published = [key(1), key(2), key(3, in_use=False), key(4, purpose=Purpose.EPOCH)]

    assert keys.sealing(published) == {Purpose.TRANSIT: 2, Purpose.EPOCH: 4}


def test_a_process_needs_what_is_in_use_and_what_only_waits_for_it() -> None:
    published = [
        key(1, destroyed=True),
        key(2),
        key(3, use_from=NOW, in_use=False),
        key(4, use_from=NOW + timedelta(seconds=1), in_use=False),
    ]

    assert {name.id for name in keys.needed(published, NOW)} == {2, 3}


@pytest.mark.parametrize(
    ("since", "goes"),
    [
        (NOW - keys.KEPT_FOR[Purpose.TRANSIT], [1]),
        (NOW - keys.KEPT_FOR[Purpose.TRANSIT] + timedelta(seconds=1), []),
        (None, []),  # as old as the installation: nothing came before it
    ],
)
def test_a_key_may_go_when_another_has_sealed_for_a_while(since: datetime | None, goes: list[int]) -> None:
    assert [name.id for name in keys.retired([key(1), key(2, since=since)], NOW)] == goes


def test_keys_that_may_go_are_named_oldest_first_and_once() -> None:
    published = [key(1, destroyed=True), key(3), key(2), key(4, since=NOW - DAY), key(5, in_use=False)]

    assert [name.id for name in keys.retired(published, NOW)] == [2, 3]


@pytest.mark.parametrize("purpose", [p for p in Purpose if p not in keys.KEPT_FOR])
def test_a_key_that_takes_no_turns_never_goes(purpose: Purpose) -> None:
    assert keys.retired([key(1, purpose=purpose), key(2, purpose=purpose, since=NOW - WEEK)], NOW) == []


@pytest.mark.parametrize(
    ("epoch", "transit", "after"),
    [
        (NOW - DAY, NOW, 8 * DAY),  # a text's day, and the week for which a copy made for somebody is kept
        (NOW - WEEK, NOW - DAY, WEEK),
        (NOW - 30 * DAY, NOW - 30 * DAY, WEEK),  # keys did not take turns for a while: they will from now on
        (None, None, WEEK),
    ],
)
def test_copies_are_unreadable_when_the_last_of_the_keys_that_seal_now_is_destroyed(
    epoch: datetime | None, transit: datetime | None, after: timedelta
) -> None:
    published = [key(1, purpose=Purpose.EPOCH, use_from=epoch), key(3, use_from=transit), key(9, in_use=False)]

    assert keys.unreadable_from(published, NOW) == NOW + after + 2 * HOUR + timedelta(minutes=10)


def test_copies_are_unreadable_as_late_as_the_phones_are_when_no_text_is_kept_longer() -> None:
    published = [key(1, purpose=Purpose.EPOCH, use_from=NOW + 2 * DAY), key(3, use_from=NOW - DAY)]

    assert keys.unreadable_from(published, NOW) == NOW + 9 * DAY + 2 * HOUR + timedelta(minutes=10)


@pytest.mark.parametrize(
    ("began", "late"),
    [(NOW - DAY - HOUR, [Purpose.TRANSIT]), (NOW - DAY - HOUR + timedelta(seconds=1), []), (None, [])],
)
def test_keys_are_overdue_when_nobody_makes_the_next_one(began: datetime | None, late: list[Purpose]) -> None:
    published = [
        key(1, use_from=began),
        key(1, purpose=Purpose.EPOCH),
        key(1, purpose=Purpose.INDEX, use_from=NOW - 99 * WEEK),
    ]

    assert keys.overdue(published, NOW) == late
