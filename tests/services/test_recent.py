"""What a process remembers of the last minute: a hint, that forgets what is older and does not grow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from relay.core.loops import LegLimits
from relay.services.inbound.recent import Recent

_NOW = datetime(2026, 11, 21, tzinfo=UTC)
_TO, _OTHER = UUID(int=1), UUID(int=2)


def at(seconds: float) -> datetime:
    return _NOW + timedelta(seconds=seconds)


def test_the_time_before_is_told_when_the_same_is_said_within_a_minute() -> None:
    recent = Recent(LegLimits())
    said = [recent.said_before(_TO, b"ok", at(s)) for s in (0, 59, 119, 130)]

    assert said == [None, at(0), None, at(119)]
    assert recent.said_before(_OTHER, b"ok", at(131)) is None
    assert recent.said_before(_TO, b"no", at(131)) is None


def test_a_session_seems_busy_when_places_run_away_whoever_took_the_texts_in() -> None:
    recent = Recent(LegLimits(per_minute=10))

    assert [recent.seems_busy(_TO, place, at(s)) for s, place in ((0, 1), (1, 10), (2, 11), (61, 20), (62, 21))] == [
        False,
        False,
        True,
        False,
        False,
    ]


def test_a_person_seems_talkative_when_one_process_has_seen_a_quarter_of_the_limit() -> None:
    recent = Recent(LegLimits(per_person=8))

    assert [recent.seems_talkative(b"a", at(s)) for s in (0, 30, 100, 101)] == [False, True, False, True]
    assert not recent.seems_talkative(b"b", at(101))


def test_nothing_is_remembered_when_nothing_is_limited() -> None:
    recent = Recent(LegLimits(0, 0, 0))

    for _ in range(100):
        assert recent.said_before(_TO, b"ok", _NOW) is None
        assert not recent.seems_busy(_TO, 10**6, _NOW)
        assert not recent.seems_talkative(b"a", _NOW)


def test_the_oldest_is_forgotten_when_there_is_too_much() -> None:
    recent = Recent(LegLimits(), most=2)
    for text in (b"1", b"2", b"3"):
        recent.said_before(_TO, text, _NOW)

    assert [recent.said_before(_TO, text, _NOW) for text in (b"3", b"1")] == [_NOW, None]
