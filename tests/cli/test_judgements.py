"""What ``relay doctor`` makes of facts: a table of cases for each judgement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from relay.cli.doctor import judge_disk, judge_public_url
from relay.core.model import NumberState
from relay.services.checkup import (
    PoolFacts,
    judge_clock,
    judge_copies,
    judge_leases,
    judge_pool,
    judge_server,
    judge_waiting,
)
from relay.storage.checkup import ServerFacts
from relay.storage.configuration import Pool
from relay.storage.outbox import Depth

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
READY, DRAINING = NumberState.READY, NumberState.DRAINING
GB = 1024**3


def server(*, is_standby: bool = False, copies: int = 0, waits: bool = False) -> ServerFacts:
    return ServerFacts("18.6", is_standby, copies, waits)


def pool(states: Mapping[NumberState, int], *, busiest: int = 0, ready: bool = True) -> PoolFacts:
    made = Pool(UUID(int=1), UUID(int=2), 1, "default", ready, NOW)
    return PoolFacts("shop", made, states, busiest)


def depth(phase: str, minutes: float, rows: int = 1) -> Depth:
    return Depth(phase, rows, NOW - timedelta(minutes=minutes))


@pytest.mark.parametrize(
    ("facts", "verdict"),
    [
        (server(), "ok"),
        (server(copies=2, waits=True), "ok"),
        (server(copies=1), "warning"),
        (server(waits=True), "ok"),
    ],
)
def test_copies_are_a_warning_when_no_commit_waits_for_them(facts: ServerFacts, verdict: str) -> None:
    assert judge_copies(facts).verdict == verdict


def test_server_is_a_problem_when_it_is_a_standby() -> None:
    assert judge_server(server()).verdict == "ok"
    assert judge_server(server(is_standby=True)).verdict == "problem"


@pytest.mark.parametrize(
    ("at_least", "at_most", "words"),
    [
        (-0.1, 0.1, "agree"),
        (2, 2.1, "agree"),
        (-2.1, -2, "agree"),
        (-3, 30, "agree"),  # asked too slowly to know better
        (2.5, 3.5, "3 s ahead of"),
        (-3.5, -2.5, "3 s behind"),
    ],
)
def test_clocks_are_a_warning_when_they_are_surely_two_seconds_apart(
    at_least: float, at_most: float, words: str
) -> None:
    found = judge_clock(at_least=timedelta(seconds=at_least), at_most=timedelta(seconds=at_most))

    assert words in found.words
    assert (found.verdict == "ok") == (words == "agree")


@pytest.mark.parametrize(
    ("facts", "verdict", "words"),
    [
        (
            pool({READY: 2, DRAINING: 1}, busiest=1),
            "ok",
            "shop/default: 1 draining, 2 ready; the busiest person holds 1",
        ),
        (pool({READY: 2}, ready=False), "warning", "still being prepared"),
        (pool({}), "warning", "has no numbers"),
        (pool({DRAINING: 2}), "warning", "no ready number (2 draining)"),
        (pool({READY: 2}, busiest=2), "warning", "one person holds 2"),
        (pool({READY: 2, DRAINING: 2}, busiest=3), "warning", "one person holds 3"),
    ],
)
def test_a_pool_is_a_warning_when_somebody_gets_no_number_from_it(facts: PoolFacts, verdict: str, words: str) -> None:
    found = judge_pool(facts)

    assert found.verdict == verdict
    assert words in found.words
    assert bool(found.advice) == (verdict != "ok")


@pytest.mark.parametrize(
    ("workers", "buckets", "unserved", "verdict", "words"),
    [
        (0, 0, 0, "ok", "nothing to work for"),
        (1, 3, 0, "ok", "every bucket (3) is served, by 1 process"),
        (2, 3, 0, "ok", "by 2 processes"),
        (1, 3, 1, "warning", "nobody serves 1 of 3 buckets"),
        (0, 1, 1, "warning", "nobody serves 1 of 1 bucket:"),
    ],
)
def test_leases_are_a_warning_when_a_bucket_has_no_owner(
    *, workers: int, buckets: int, unserved: int, verdict: str, words: str
) -> None:
    found = judge_leases(workers=workers, buckets=buckets, unserved=unserved)

    assert found.verdict == verdict
    assert words in found.words


@pytest.mark.parametrize(
    ("depths", "expected"),
    [
        ([], [("ok", "no text waits")]),
        ([depth("queued", 15)], [("ok", "1 queued; the oldest came 15 minutes ago")]),
        ([depth("queued", 16)], [("warning", "1 queued; the oldest came 16 minutes ago")]),
        ([depth("queued", 1, 2), depth("queued", 3, 4)], [("ok", "6 queued; the oldest came 3 minutes ago")]),
        ([depth("sending", 6)], [("warning", "1 sending; the oldest came 6 minutes ago")]),
        ([depth("unresolved", 16)], [("warning", "1 unresolved; the oldest came 16 minutes ago")]),
        (
            [depth("parked", 1), depth("queued", 0)],
            [("ok", "1 queued; the oldest came 0 minutes ago"), ("warning", "1 parked; the oldest came 1 minute ago")],
        ),
        ([depth("queued", -1)], [("ok", "1 queued; the oldest came 0 minutes ago")]),
    ],
)
def test_texts_are_a_warning_when_they_wait_too_long_or_for_a_person(
    depths: Sequence[Depth], expected: list[tuple[str, str]]
) -> None:
    assert [(str(finding.verdict), finding.words) for finding in judge_waiting(depths, NOW)] == expected


@pytest.mark.parametrize(
    ("url", "verdict"),
    [("https://relay.example", "ok"), ("http://relay.example", "warning"), ("http://[::1]", "warning")],
)
def test_public_url_is_a_warning_when_it_is_not_encrypted(url: str, verdict: str) -> None:
    assert judge_public_url(url).verdict == verdict


@pytest.mark.parametrize(("free", "verdict"), [(2 * GB, "ok"), (GB, "warning"), (GB // 6, "problem")])
def test_disk_is_a_problem_when_it_is_nearly_full(free: int, verdict: str) -> None:
    assert judge_disk(free).verdict == verdict
