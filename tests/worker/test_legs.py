"""Which texts may leave now, as a matter of values: pace of the number, pace of the connection, room."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from relay.core.phone import NumberKind
from relay.storage.configuration import Directory, Number
from relay.storage.outbox import Due
from relay.worker.legs import CONNECTION_RATE, Paces, pick

NOW = 1000.0
CONNECTION, OTHER_CONNECTION = UUID(int=1), UUID(int=2)
N1, N2, N3 = (UUID(int=10 + n) for n in range(3))


def number(number_id: UUID, *, rate: float = 2.0, connection: UUID = CONNECTION) -> Number:
    return Number(
        id=number_id,
        account_id=UUID(int=3),
        pool_id=UUID(int=4),
        connection_id=connection,
        e164="+13015550100",
        country="US",
        area_code="301",
        kind=NumberKind.LONG_CODE,
        rate=rate,
        created_at=datetime(2026, 11, 21, tzinfo=UTC),
    )


def directory(*numbers: Number) -> Directory:
    return Directory(1, {}, {}, {}, {n.id: n for n in numbers}, {})


ALL = directory(number(N1), number(N2), number(N3, connection=OTHER_CONNECTION))


def due(*numbers: UUID) -> list[Due]:
    return [Due(UUID(int=100 + n), number_id, 1) for n, number_id in enumerate(numbers)]


def picked(texts: list[Due], paces: Paces, *, now: float = NOW, room: int = 10, known: Directory = ALL) -> list[int]:
    """Which of the texts are chosen, by their place in the list."""
    chosen = {text.message_id for text in pick(texts, paces, known, now=now, room=room)}
    return [n for n, text in enumerate(texts) if text.message_id in chosen]


def test_one_text_of_each_number_is_picked_when_several_are_due() -> None:
    assert picked(due(N1, N1, N2, N1, N3), Paces()) == [0, 2, 4]


def test_the_oldest_are_picked_when_there_is_no_room_for_all() -> None:
    assert picked(due(N1, N2, N3), Paces(), room=2) == [0, 1]


@pytest.mark.parametrize("room", [0, -1])
def test_nothing_is_picked_when_there_is_no_room(room: int) -> None:
    assert picked(due(N1), Paces(), room=room) == []


def test_a_number_waits_for_its_pace_when_it_has_just_sent() -> None:
    paces = Paces()
    paces.spend(N1, 3, NOW, ALL)

    assert picked(due(N1, N2), paces) == [1]
    assert picked(due(N1), paces, now=NOW + 1.49) == []
    assert picked(due(N1), paces, now=NOW + 1.5) == [0]
    assert paces.waiting([N1, N2], NOW + 1.0) == [N1]
    assert paces.waiting([N1, N2], NOW + 1.5) == []


def test_the_next_moment_is_the_first_of_those_asked_for() -> None:
    paces = Paces()
    paces.spend(N1, 2, NOW, ALL)
    paces.spend(N2, 1, NOW, ALL)

    assert paces.next_ready([N1, N2], NOW) == NOW + 0.5
    assert paces.next_ready([N1], NOW) == NOW + 1.0
    assert paces.next_ready([N3], NOW) is None


def test_a_number_is_left_alone_when_nobody_knows_it() -> None:
    unknown, paces = UUID(int=99), Paces()
    paces.spend(unknown, 1, NOW, ALL)
    paces.throttle(unknown, NOW, 5.0, ALL)

    assert picked(due(unknown, N1), paces) == [1]
    assert (paces.numbers, paces.connections) == ({}, {})


def test_a_new_rate_counts_at_once_when_it_was_changed() -> None:
    paces = Paces()
    paces.spend(N1, 10, NOW, ALL)
    faster = directory(replace(ALL.numbers[N1], rate=100.0))

    assert picked(due(N1), paces) == []
    assert picked(due(N1), paces, known=faster) == [0]


def test_the_number_and_its_connection_slow_down_when_the_carrier_complains() -> None:
    paces = Paces()
    paces.throttle(N1, NOW, 30.0, ALL)

    assert picked(due(N1, N2, N3), paces) == [1, 2]
    assert picked(due(N1), paces, now=NOW + 29.9) == []
    assert picked(due(N1), paces, now=NOW + 30.0) == [0]
    assert paces.connections[CONNECTION].rate_at(NOW + 1.0) == CONNECTION_RATE / 2
    assert OTHER_CONNECTION not in paces.connections


def test_a_whole_connection_waits_when_it_has_run_more_than_a_second_ahead() -> None:
    paces = Paces()
    paces.spend(N1, int(CONNECTION_RATE) * 2, NOW, ALL)

    assert picked(due(N2, N3), paces) == [1]
    assert picked(due(N2, N3), paces, now=NOW + 1.0) == [0, 1]
