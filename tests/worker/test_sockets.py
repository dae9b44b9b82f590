"""Counting what is under way."""

from __future__ import annotations

from relay.worker.sockets import Sockets


def test_a_socket_is_free_again_when_its_answer_has_come() -> None:
    sockets = Sockets(2)
    sockets.begin(7, 2)
    assert sockets.room() == 0

    sockets.answered()

    assert sockets.room() == 1
    assert sockets.busy(7)


def test_nothing_begins_when_the_database_does_not_keep_up_with_marking() -> None:
    sockets = Sockets(2)
    for _ in range(8):
        sockets.begin(7)
        sockets.answered()
    assert sockets.room() == 0

    sockets.end(7)

    assert sockets.room() == 1


def test_a_bucket_is_quiet_when_all_of_it_has_ended_or_was_given_back() -> None:
    sockets = Sockets(4)
    sockets.begin(7, 2)
    sockets.begin(8)
    sockets.answered()
    sockets.end(7)
    sockets.give_back(7, 1)

    assert not sockets.busy(7)
    assert sockets.busy(8)
    assert sockets.room() == 3


def test_all_sockets_are_enough_when_there_are_fewer_than_wanted() -> None:
    sockets = Sockets(4)
    assert sockets.is_roomy(16)

    sockets.begin(7)

    assert not sockets.is_roomy(16)
