"""How many sends are under way, by what they wait for: the provider's answer over a socket, or their mark."""

from __future__ import annotations

from collections import Counter

_UNMARKED = (
    4  # times as many sends may be under way as there are sockets: those that have their answer wait for their mark
)


class Sockets:
    """``count`` sends may be with the provider at once. Each is begun, then answered, then ended."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._waiting = 0  #: for an answer, or for their turn with a free socket
        self._under_way = 0
        self._by_bucket: Counter[int] = Counter()

    def room(self) -> int:
        """How many more may begin. Not many more than the database keeps up with marking."""
        return min(self._count - self._waiting, _UNMARKED * self._count - self._under_way)

    def is_roomy(self, enough: int) -> bool:
        """Are so many sockets free, or all of them?"""
        return self.room() >= min(enough, self._count)

    def any_busy(self) -> bool:
        return self._under_way > 0

    def busy(self, bucket: int) -> bool:
        return self._by_bucket[bucket] > 0

    def begin(self, bucket: int, count: int = 1) -> None:
        self._waiting += count
        self._add(bucket, count)

    def answered(self) -> None:
        """A socket is free again; the send's mark is still to be written."""
        self._waiting -= 1

    def end(self, bucket: int) -> None:
        """A send that was answered has its mark."""
        self._add(bucket, -1)

    def give_back(self, bucket: int, count: int) -> None:
        """So many that had begun do not leave."""
        self._waiting -= count
        self._add(bucket, -count)

    def _add(self, bucket: int, count: int) -> None:
        self._under_way += count
        self._by_bucket[bucket] += count
