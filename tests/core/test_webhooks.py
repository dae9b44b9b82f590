"""What endpoints are told, when they are tried again, and when not any more."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from relay.core import webhooks
from relay.core.errors import InvalidInput
from relay.core.webhooks import (
    EVENT_TYPES,
    FAILING_FOR,
    SCHEDULE,
    Answer,
    DeliveryState,
    DisabledReason,
    Failure,
    Happened,
    Listener,
    Verdict,
    body_of,
    judge,
    living,
    read_filter,
    rotated,
    sequences,
    takes,
    told_to,
)
from relay.storage import queries

NOW = datetime(2026, 11, 21, 12, 0, 0, 123_456, tzinfo=UTC)
ACCOUNT, SESSION, OTHER = UUID(int=1), UUID(int=2), UUID(int=3)


def event(n: int, event_type: str = "session.closed", session: UUID | None = SESSION, **more: Any) -> Happened:
    return Happened(UUID(int=n), ACCOUNT, event_type, NOW, session_id=session, **more)


def test_the_body_holds_ids_and_words_when_an_event_is_told() -> None:
    body = body_of(event(16, sequence=7, reason="expired", participant_id=UUID(int=5)))

    assert body == (
        b'{"type":"session.closed","id":"evt_aaaaaaaaaaaaaaaaaaaaaaaaca","timestamp":"2026-11-21T12:00:00Z","sequence":7,'
        b'"data":{"session":"ses_aaaaaaaaaaaaaaaaaaaaaaaaai","participant":"par_aaaaaaaaaaaaaaaaaaaaaaaaau","state":"closed",'
        b'"reason":"expired"}}'
    )


def test_every_reference_of_an_event_is_told_when_it_has_them_all() -> None:
    refs: dict[str, Any] = {
        f.name: UUID(int=9) for f in fields(Happened) if f.name.endswith("_id") and f.name != "account_id"
    }
    told = json.loads(body_of(Happened(UUID(int=1), ACCOUNT, "message.received", NOW, **refs)))["data"]

    assert set(told) == {"session", "participant", "message", "number", "verification", "webhook", "rule"}
    assert told["webhook"].startswith("whk_")


@pytest.mark.parametrize(
    ("patterns", "event_type", "wanted"),
    [
        (("*",), "message.received", True),
        (("session.*",), "session.closed", True),
        (("session.*",), "message.received", False),
        (("session.closed",), "session.closed", True),
        (("session.closed",), "session.opened", False),
        (("pool.ready", "message.*"), "message.parked", True),
        (("message.*",), "messages.parked", False),
    ],
)
def test_a_filter_takes_what_it_names_when_an_event_is_held_against_it(
    patterns: tuple[str, ...], event_type: str, *, wanted: bool
) -> None:
    assert takes(read_filter(patterns), event_type) is wanted


@pytest.mark.parametrize(
    "patterns",
    [
        [],
        ["*"] * 51,
        [""],
        ["session"],
        ["session."],
        ["ses*"],
        ["*.closed"],
        ["audit.*"],
        ["key.created"],
        ["+12025550177"],
    ],
)
def test_a_filter_is_refused_and_not_repeated_when_it_names_no_event(patterns: list[str]) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_filter(patterns)

    assert "2025550177" not in str(refused.value)
    assert refused.value.problems[0].field.startswith("events")


def test_a_pattern_counts_once_when_it_is_given_twice() -> None:
    assert read_filter(["pool.ready", "*", "pool.ready"]) == ("pool.ready", "*")


def test_every_type_that_a_statement_writes_is_told_or_known_not_to_be() -> None:
    written = {
        word
        for module in queries.modules()
        for statement in queries.load(module).values()
        if "insert into event" in statement
        for word in re.findall(r"'([a-z]+\.[a-z_]+)'", statement)
    }

    assert {one for one in written if one.split(".")[0] not in webhooks.NOT_TOLD} <= EVENT_TYPES
    assert len(written) > 20


LISTENERS = {
    "wants it": (Listener(UUID(int=9), ACCOUNT, ("session.*",), True, NOW - timedelta(seconds=1)), True),
    "wants another": (Listener(UUID(int=9), ACCOUNT, ("message.*",), True, NOW - timedelta(seconds=1)), False),
    "is disabled": (Listener(UUID(int=9), ACCOUNT, ("*",), False, NOW - timedelta(seconds=1)), False),
    "is another account's": (Listener(UUID(int=9), OTHER, ("*",), True, NOW - timedelta(seconds=1)), False),
    "was made by it": (Listener(UUID(int=9), ACCOUNT, ("*",), True, NOW), False),
    "was made after it": (Listener(UUID(int=9), ACCOUNT, ("*",), True, NOW + timedelta(seconds=1)), False),
}


@pytest.mark.parametrize("who", LISTENERS)
def test_an_endpoint_is_told_when_it_was_there_and_wants_it(who: str) -> None:
    listener, is_told = LISTENERS[who]

    assert told_to(event(1), [listener]) == ([listener.id] if is_told else [])


def test_numbers_go_on_in_each_session_when_events_are_given_theirs() -> None:
    found = [event(1), event(2, session=OTHER), event(3), event(4, session=None), event(5)]

    assert sequences(found, {SESSION: 10, OTHER: 1}) == {
        UUID(int=1): 8,
        UUID(int=2): 1,
        UUID(int=3): 9,
        UUID(int=4): None,
        UUID(int=5): 10,
    }


def seen(answer: Answer, *, tries: int = 1, jitter: float = 0.0, failing: timedelta | None = None) -> Verdict:
    return judge(answer, tries=tries, now=NOW, jitter=jitter, failing_since=NOW - failing if failing else None)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_a_delivery_is_done_when_the_answer_is_2xx(status: int) -> None:
    assert seen(Answer(status), failing=FAILING_FOR * 2) == Verdict(DeliveryState.DELIVERED)


@pytest.mark.parametrize("status", [100, 199, 300, 301, 302, 307, 400, 401, 404, 409, 429, 500, 503])
def test_a_delivery_is_tried_again_when_the_answer_is_anything_else(status: int) -> None:
    assert seen(Answer(status)) == Verdict(DeliveryState.WAITING, Failure.STATUS, NOW + SCHEDULE[1])


@pytest.mark.parametrize("failure", [Failure.DEADLINE, Failure.ADDRESS])
def test_a_delivery_is_tried_again_when_there_is_no_answer(failure: Failure) -> None:
    assert seen(Answer(failure=failure)) == Verdict(DeliveryState.WAITING, failure, NOW + SCHEDULE[1])


def test_the_tries_follow_the_schedule_when_none_succeeds() -> None:
    waits = [seen(Answer(500), tries=tries).due_at for tries in range(1, len(SCHEDULE))]

    assert [at and (at - NOW).total_seconds() for at in waits] == [
        *(5, 5 * 60, 30 * 60),
        *(hours * 3600 for hours in (2, 5, 10, 14, 20, 24)),
    ]
    assert seen(Answer(500), tries=10) == Verdict(DeliveryState.FAILED, Failure.STATUS)


def test_a_wait_is_longer_or_shorter_by_a_tenth_when_there_is_chance() -> None:
    waits = [seen(Answer(500), tries=2, jitter=jitter).due_at for jitter in (-1.0, 1.0)]

    assert [at and (at - NOW).total_seconds() for at in waits] == [270, 330]


@pytest.mark.parametrize(("asked", "waits"), [(3.0, 5.0), (60.0, 60.0), (1e9, 86400.0)])
def test_an_endpoint_is_left_alone_for_so_long_when_it_asks_for_it(asked: float, waits: float) -> None:
    assert seen(Answer(429, retry_after=asked)).due_at == NOW + timedelta(seconds=waits)


def test_an_endpoint_is_disabled_at_once_when_it_says_that_it_is_gone() -> None:
    assert seen(Answer(410)) == Verdict(DeliveryState.FAILED, Failure.STATUS, disable=DisabledReason.GONE)


def test_an_endpoint_is_disabled_when_it_has_taken_nothing_for_five_days() -> None:
    just_not = FAILING_FOR - timedelta(seconds=1)

    assert seen(Answer(500), failing=just_not).disable is None
    assert seen(Answer(500), failing=FAILING_FOR) == Verdict(
        DeliveryState.FAILED, Failure.STATUS, disable=DisabledReason.FAILING
    )


def test_a_former_secret_signs_for_a_day_more_when_another_takes_its_place() -> None:
    first = rotated((), "a", NOW)
    both = rotated(first, "b", NOW)
    later = NOW + webhooks.FORMER_SECRET_FOR

    assert [secret.text for secret in living(both, later - timedelta(seconds=1))] == ["b", "a"]
    assert [secret.text for secret in living(both, later)] == ["b"]
    assert rotated(both, "b", later) == both


def test_no_secret_lives_longer_when_it_is_followed_by_many() -> None:
    half = NOW + webhooks.FORMER_SECRET_FOR / 2
    three = rotated(rotated(rotated((), "a", NOW), "b", NOW), "c", half)

    assert [(secret.text, secret.until) for secret in three] == [
        ("c", None),
        ("b", half + webhooks.FORMER_SECRET_FOR),
        ("a", NOW + webhooks.FORMER_SECRET_FOR),
    ]
    many = three
    for n in range(20):
        many = rotated(many, str(n), NOW)
    assert len(many) == webhooks.MOST_SECRETS


def test_no_secret_and_no_address_is_shown_when_settings_are_printed() -> None:
    shown = repr(webhooks.EndpointSettings("https://a.example/token", rotated((), "whsec_x", NOW)))

    assert "token" not in shown
    assert "whsec" not in shown


def found(*numbers: int) -> list[UUID]:
    return [UUID(int=n) for n in numbers]


@pytest.mark.parametrize(
    ("looks", "limit", "ids", "more"),
    [
        ([], 3, [], None),
        ([([5, 3], None), ([4], None)], 3, [5, 4, 3], None),
        ([([5, 3], None), ([4], None)], 2, [5, 4], 4),
        ([([9, 5], 5), ([7, 2], None)], 5, [9, 7, 5], 5),
        ([([], 6), ([7, 2], None)], 5, [7], 6),
        ([([], 6), ([], 8)], 5, [], 8),
        ([([9, 5], 5), ([7, 2], None)], 1, [9], 9),
    ],
)
def test_a_page_ends_where_any_of_its_looks_stopped_when_several_buckets_are_read(
    looks: list[tuple[list[int], int | None]], limit: int, ids: list[int], more: int | None
) -> None:
    seen_so_far = [(found(*numbers), UUID(int=last) if last else None) for numbers, last in looks]

    assert webhooks.newest(seen_so_far, limit) == (found(*ids), UUID(int=more) if more else None)
