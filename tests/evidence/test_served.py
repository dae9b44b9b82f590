"""A log as it is served, walked from the first leaf to the signed root."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from relay.core.errors import NotFound
from relay.core.notes import Note
from relay.evidence.report import Report
from relay.evidence.served import Fetch, ServedLog
from relay.evidence.served_check import verify_served
from tests.evidence.logs import WANTED, LogKey, MadeLog, entry_at, made_of


def verified(fetch: Fetch, seen: Note | None = None) -> Report:
    return asyncio.run(verify_served(ServedLog(fetch), WANTED, seen))


def failures(report: Report) -> list[str]:
    return [line for line in report.lines() if not line.startswith("ok")]


def altered(log: MadeLog, path: str, change: Callable[[bytes], bytes]) -> Fetch:
    async def fetch(asked: str) -> bytes:
        found = await log.fetch(asked)
        return change(found) if asked == path else found

    return fetch


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 1000])
def test_a_log_is_verified_when_it_serves_what_it_signed(size: int) -> None:
    report = verified(made_of(size).fetch)

    assert failures(report) == []
    assert report.entries == size


@pytest.mark.long
def test_a_log_of_three_levels_is_verified() -> None:
    log = made_of(66_000)

    assert failures(verified(log.fetch, log.head(65_537))) == []
    assert "tile/2/000.p/1" in log.asked


@pytest.mark.parametrize("before", [0, 1, 255, 256, 257, 300, 512, 600])
def test_growth_is_seen_when_an_earlier_head_is_given(before: int) -> None:
    log = made_of(600)
    other = MadeLog(entry_at(n + (n == 0)) for n in range(600))

    assert failures(verified(log.fetch, log.head(before))) == []
    if before:
        assert failures(verified(log.fetch, other.head(before))) == [
            f"FAIL  growth: the log is not the one whose {before} entries were signed: it was altered"
        ]


def test_a_log_is_refused_when_it_is_smaller_than_it_was() -> None:
    assert failures(verified(made_of(10).fetch, made_of(11).head())) == [
        "FAIL  growth: the log had signed 11 entries, and now shows 10"
    ]


@pytest.mark.parametrize(
    ("path", "check"),
    [
        ("tile/entries/000", "tree"),
        ("tile/entries/002.p/88", "tree"),
        ("tile/0/001", "tiles"),
        ("tile/0/002.p/88", "tiles"),
        ("tile/1/000.p/2", "tiles"),
    ],
)
def test_a_tile_is_named_when_a_bit_of_it_is_wrong(path: str, check: str) -> None:
    report = verified(altered(made_of(600), path, lambda tile: tile[:-1] + bytes([tile[-1] ^ 1])))

    assert [line for line in failures(report) if line.startswith(f"FAIL  {check}:")]


@pytest.mark.parametrize("path", ["checkpoint", "tile/entries/000", "tile/0/001", "tile/1/000.p/2"])
@pytest.mark.parametrize(
    "change",
    [lambda served: served[:-1], lambda served: b"", lambda served: b"<html>", lambda served: served + b"x" * 34],
    ids=["cut", "empty", "page", "longer"],
)
def test_an_answer_is_refused_when_it_has_not_the_right_shape(path: str, change: Callable[[bytes], bytes]) -> None:
    assert failures(verified(altered(made_of(600), path, change)))


def test_a_bundle_is_refused_when_a_leaf_has_another_length() -> None:
    report = verified(altered(made_of(6), "tile/entries/000.p/6", lambda tile: b"\x00\x21" + tile[2:]))

    assert "FAIL  tree: tile entries/000.p/6 is no bundle of leaves" in failures(report)


def test_a_head_is_refused_when_it_is_not_text() -> None:
    assert failures(verified(altered(made_of(6), "checkpoint", lambda _: b"\xff\xfe"))) == [
        "FAIL  signature: what is served as the checkpoint is not text"
    ]


def test_a_head_is_refused_when_another_key_signed_it() -> None:
    assert failures(verified(made_of(6, (LogKey("a forger's key"),)).fetch))


def test_a_full_tile_is_taken_when_the_partial_one_is_gone() -> None:
    """A log may drop them once it has grown (tlog-tiles)."""
    log = made_of(600)
    log.shown = log.head(300)

    assert failures(verified(without_partial_tiles(log.fetch))) == []


def without_partial_tiles(fetch: Callable[[str], Awaitable[bytes]]) -> Fetch:
    async def whole(path: str) -> bytes:
        if ".p/" in path and "/001" in path:
            raise NotFound
        return await fetch(path)

    return whole
