"""What carriers and people were promised, for whatever comes: a leg in order, a number at its pace, one text at a time.

A small world plays the database's part: it offers heads of legs only, as the query for due texts does, and tells what
became of each send. Time is given. The picking and the paces are the real ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from relay.storage.configuration import Directory
from relay.storage.outbox import Due
from relay.worker.legs import CONNECTION_RATE, Paces, pick
from tests.core.test_pacing import busiest_excess
from tests.worker.test_legs import directory, number

NUMBERS = [UUID(int=10 + n) for n in range(3)]
LEGS_PER_NUMBER = 3
MOST_SEGMENTS = 10
ROOM = 2

Leg = tuple[UUID, int]
Choice = tuple[list[Due], list[Due]]  # what could leave, oldest first, and what was picked
#: One turn of the worker: seconds since the last one, texts that arrive meanwhile as (leg, segments), and what the
#: carrier says to whatever is picked: taken, not reached (wait so long), or too fast (and the number holds still).
Turn = tuple[float, list[tuple[int, int]], list[tuple[str, float]]]

answers = st.tuples(st.sampled_from(["taken", "taken", "taken", "not_reached", "too_fast"]), st.floats(0, 30))
arrivals = st.lists(
    st.tuples(st.integers(0, len(NUMBERS) * LEGS_PER_NUMBER - 1), st.integers(1, MOST_SEGMENTS)), max_size=6
)
turns = st.lists(
    st.tuples(st.floats(0, 8), arrivals, st.lists(answers, min_size=ROOM, max_size=ROOM)), min_size=1, max_size=30
)


@dataclass(slots=True)
class Waiting:
    """A text in a leg."""

    due: Due
    place: int
    not_before: float = 0.0


@dataclass(slots=True)
class World:
    """Legs with texts in them, and what has left: (moment, leg, place in the leg, segments, was it taken?)."""

    known: Directory
    paces: Paces = field(default_factory=Paces)
    now: float = 1000.0
    legs: dict[Leg, list[Waiting]] = field(default_factory=dict)
    arrived: int = 0
    sent: list[tuple[float, Leg, int, int, bool]] = field(default_factory=list)
    holds: list[tuple[UUID, float, float]] = field(default_factory=list)  #: number, from, to

    def arrive(self, leg: Leg, segments: int) -> None:
        self.arrived += 1
        queue = self.legs.setdefault(leg, [])
        queue.append(Waiting(Due(UUID(int=self.arrived), leg[0], segments), self.arrived))

    def heads(self) -> Iterator[tuple[Leg, Waiting]]:
        """The first text of every leg that is due, oldest first."""
        heads = [(leg, queue[0]) for leg, queue in self.legs.items() if queue and queue[0].not_before <= self.now]
        yield from sorted(heads, key=lambda head: head[1].place)

    def turn(self, after: float, came: list[tuple[int, int]], said: list[tuple[str, float]]) -> Choice:
        """One turn of the worker. Returns what could leave, and what was picked."""
        self.now += after
        for n, segments in came:
            self.arrive((NUMBERS[n % len(NUMBERS)], n // len(NUMBERS)), segments)
        heads = {waiting.due.message_id: (leg, waiting) for leg, waiting in self.heads()}
        due = [waiting.due for _, waiting in heads.values()]
        free = {n for n in NUMBERS if self.is_free(n)}
        picked = pick(due, self.paces, self.known, now=self.now, room=ROOM)
        for text, (answer, seconds) in zip(picked, said, strict=False):
            self.paces.spend(text.number_id, text.segments, self.now, self.known)
            self.hear(*heads[text.message_id], answer, seconds)
        return [text for text in due if text.number_id in free], picked

    def is_free(self, number_id: UUID) -> bool:
        """May a text leave this number now, as far as it and its connection are concerned?"""
        return self.paces.may_leave(number_id, self.now, self.known)

    def hear(self, leg: Leg, waiting: Waiting, answer: str, seconds: float) -> None:
        """The carrier's word on what has just left."""
        self.sent.append((self.now, leg, waiting.place, waiting.due.segments, answer == "taken"))
        if answer == "taken":
            self.legs[leg].pop(0)
            return
        waiting.not_before = self.now + seconds
        if answer == "too_fast":
            self.paces.throttle(leg[0], self.now, seconds, self.known)
            self.holds.append((leg[0], self.now, self.now + max(1.0, seconds)))


def play(known: Directory, wanted: list[Turn]) -> tuple[World, list[Choice]]:
    world = World(known)
    return world, [world.turn(*turn) for turn in wanted]


def at_rate(rate: float) -> Directory:
    return directory(*(number(n, rate=rate) for n in NUMBERS))


rates = st.sampled_from([0.2, 1.0, 3.0, 50.0])


@settings(max_examples=200, deadline=None)
@given(rates, turns)
def test_each_leg_is_taken_in_the_order_of_arrival_when_anything_may_go_wrong(rate: float, wanted: list[Turn]) -> None:
    world, _ = play(at_rate(rate), wanted)

    for leg in {leg for _, leg, *_ in world.sent}:
        places = [place for _, its, place, _, _ in world.sent if its == leg]
        taken = [place for _, its, place, _, was_taken in world.sent if its == leg and was_taken]
        assert places == sorted(places)
        assert len(taken) == len(set(taken))


@settings(max_examples=200, deadline=None)
@given(rates, turns)
def test_no_window_of_a_number_holds_more_than_its_pace_and_one_text_when_anything_may_go_wrong(
    rate: float, wanted: list[Turn]
) -> None:
    world, _ = play(at_rate(rate), wanted)

    for number_id in {leg[0] for _, leg, *_ in world.sent}:
        sent = [(at, segments) for at, leg, _, segments, _ in world.sent if leg[0] == number_id]
        assert busiest_excess(sent, rate) <= max(segments for _, segments in sent) + 1e-6


@settings(max_examples=200, deadline=None)
@given(rates, turns)
def test_nothing_leaves_a_number_when_the_carrier_has_asked_it_to_wait(rate: float, wanted: list[Turn]) -> None:
    world, _ = play(at_rate(rate), wanted)

    broken = [
        (number_id, at)
        for number_id, since, until in world.holds
        for at, leg, *_ in world.sent
        if leg[0] == number_id and since < at < until
    ]
    assert broken == []


@settings(max_examples=200, deadline=None)
@given(rates, turns)
def test_a_turn_takes_the_oldest_text_of_each_free_number_when_there_is_room(rate: float, wanted: list[Turn]) -> None:
    _, choices = play(at_rate(rate), wanted)

    for could_leave, picked in choices:
        oldest = {text.number_id: text for text in reversed(could_leave)}
        assert picked == [text for text in could_leave if oldest[text.number_id] == text][:ROOM]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, MOST_SEGMENTS), min_size=10, max_size=60))
def test_a_connection_runs_no_more_than_a_second_ahead_when_all_its_numbers_are_fast(sizes: list[int]) -> None:
    """Turns come every 10 ms; one pick may go over by itself, since it is spent only when it has passed the door."""
    many = [UUID(int=50 + n) for n in range(20)]
    known, paces, now = directory(*(number(n, rate=1e6) for n in many)), Paces(), 1000.0
    sent: list[tuple[float, int]] = []
    for size in sizes:
        due = [Due(UUID(int=1), number_id, size) for number_id in many]
        for text in pick(due, paces, known, now=now, room=len(many)):
            paces.spend(text.number_id, text.segments, now, known)
            sent.append((now, text.segments))
        now += 0.01

    one_pick = len(many) * MOST_SEGMENTS
    assert busiest_excess(sent, CONNECTION_RATE) <= CONNECTION_RATE + one_pick + 1e-6
    assert sum(segments for _, segments in sent) >= min(sum(sizes) * len(many), CONNECTION_RATE)


@settings(max_examples=100, deadline=None)
@given(rates, turns)
def test_everything_has_left_in_the_end_when_the_carrier_takes_what_comes(rate: float, wanted: list[Turn]) -> None:
    """However slow a number has become, nothing waits for ever."""
    world, _ = play(at_rate(rate), wanted)
    left = sum(map(len, world.legs.values()))
    longest = MOST_SEGMENTS / (rate * 0.1) + 600.0
    for _ in range(left):
        world.turn(longest, [], [("taken", 0.0)] * ROOM)

    assert sum(map(len, world.legs.values())) == 0
    assert sum(was_taken for *_, was_taken in world.sent) == world.arrived
