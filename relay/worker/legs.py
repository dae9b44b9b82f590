"""Which of the texts that are due may leave now: one at a time from a number, as fast as its pace allows.

The order within a leg is the database's business (only heads of legs come here); the pace is a fact of this process, since
it alone serves the bucket.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from relay.core.pacing import Pace
from relay.storage.configuration import Directory
from relay.storage.outbox import Due, Spent

CONNECTION_RATE = (
    1000.0  # segments per second: far above any agreed speed, so that only a provider's complaint slows it
)


@dataclass(slots=True)
class Paces:
    """The paces of the numbers and connections of this process."""

    numbers: dict[UUID, Pace] = field(default_factory=dict)
    connections: dict[UUID, Pace] = field(default_factory=dict)

    def of_number(self, number_id: UUID, directory: Directory) -> Pace | None:
        """The pace of a number; None when it is not known any more."""
        number = directory.numbers.get(number_id)
        if number is None:
            return None
        pace = self.numbers.get(number_id)
        if pace is None or pace.rate != number.rate:
            pace = Pace(number.rate)
        return pace

    def waiting(self, numbers: Iterable[UUID], now: float) -> list[UUID]:
        """Those of these numbers that may not send at this moment."""
        return [n for n in numbers if n in self.numbers and self.numbers[n].ready_at(now) > now]

    def next_ready(self, numbers: Iterable[UUID], now: float) -> float | None:
        """When the first of these numbers may send again."""
        return min((self.numbers[n].ready_at(now) for n in numbers if n in self.numbers), default=None)

    def spend(self, number_id: UUID, segments: int, now: float, directory: Directory) -> None:
        """A text of so many segments leaves now."""
        pace = self.of_number(number_id, directory)
        if pace is None:
            return
        self.numbers[number_id] = pace.spend(segments, now)
        connection_id = directory.numbers[number_id].connection_id
        common = self.connections.get(connection_id, Pace(CONNECTION_RATE))
        self.connections[connection_id] = common.spend(segments, now)

    def inherit(self, spent: Iterable[Spent], now: float, directory: Directory) -> None:
        """Begin with what another process has sent lately: numbers do not become faster by changing hands."""
        spent = list(spent)
        for number_id in {one.number_id for one in spent}:
            self.numbers.pop(number_id, None)
        for one in spent:
            pace = self.of_number(one.number_id, directory)
            if pace is not None:
                self.numbers[one.number_id] = pace.spend(one.segments, now - one.ago)

    def throttle(self, number_id: UUID, now: float, retry_after: float, directory: Directory) -> None:
        """The provider complained: the number slows down, and so does everything on its connection."""
        pace = self.of_number(number_id, directory)
        if pace is None:
            return
        self.numbers[number_id] = pace.throttle(now, retry_after)
        connection_id = directory.numbers[number_id].connection_id
        common = self.connections.get(connection_id, Pace(CONNECTION_RATE))
        self.connections[connection_id] = common.throttle(now, 0.0)

    def may_leave(self, number_id: UUID, now: float, directory: Directory) -> bool:
        """May a text leave this number at this moment?"""
        pace = self.of_number(number_id, directory)
        return pace is not None and pace.ready_at(now) <= now and self._connection_ready(number_id, now, directory)

    def _connection_ready(self, number_id: UUID, now: float, directory: Directory) -> bool:
        """A connection may run a second ahead: numbers are what is paced exactly."""
        number = directory.numbers.get(number_id)
        pace = self.connections.get(number.connection_id) if number else None
        return pace is None or pace.ready_at(now) <= now + 1.0


def pick(
    due: Sequence[Due], paces: Paces, directory: Directory, *, now: float, room: int, beginning: Collection[UUID] = ()
) -> list[Due]:
    """The texts that may go to the door now, oldest first, at most ``room`` and at most one for each number; none for numbers
    from which one is ``beginning`` to leave."""
    chosen: list[Due] = []
    busy = set(beginning)
    for text in due:
        if len(chosen) >= room:
            break
        if text.number_id in busy or not paces.may_leave(text.number_id, now, directory):
            continue
        busy.add(text.number_id)
        chosen.append(text)
    return chosen
