"""The chart of events over time: where its bars stand. Pure; the template writes down what is decided here.

One bar for each day, with the five most frequent kinds of event one above the other and all others on top. Measured in a box of
100 by 100 that is stretched to whatever room there is, so no text stands in it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from relay.web.log import DayCount

MOST_KINDS = 5
OTHERS = "all others"
_SIDE = 100.0
_FILLED = 0.8  # of a day's room


@dataclass(frozen=True, slots=True)
class Piece:
    """One kind's part of a bar; ``rank`` is its kind's place, from 1, the most frequent first."""

    rank: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of event in the legend."""

    rank: int
    name: str
    total: int


@dataclass(frozen=True, slots=True)
class Row:
    """A day in figures, as many as there are kinds in the legend, in its order."""

    day: date
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.counts)


@dataclass(frozen=True, slots=True)
class Chart:
    """``rows`` has every day, ``pieces`` what is not zero. ``top``: what the box's full height stands for."""

    kinds: Sequence[Kind]
    rows: Sequence[Row]
    pieces: Sequence[Piece]
    top: int

    @property
    def total(self) -> int:
        return sum(kind.total for kind in self.kinds)

    @property
    def said(self) -> str:
        """The chart in one sentence, for who does not see it."""
        if not self.total:
            return "No events in these days."
        most = max(self.rows, key=lambda row: row.total)
        kinds = ", ".join(f"{kind.name} {kind.total}" for kind in self.kinds)
        return f"{self.total} events in {len(self.rows)} days; most on {most.day}: {most.total}. By kind: {kinds}."


def charted(counts: Sequence[DayCount], since: date, until: date) -> Chart:
    """The chart of these days, both included. Counts of other days are left out."""
    days = [since + timedelta(days=n) for n in range((until - since).days + 1)]
    by_day: dict[date, Counter[str]] = defaultdict(Counter)
    for found in counts:
        if since <= found.day <= until:
            by_day[found.day][found.event] += found.count
    kinds = _kinds(sum(by_day.values(), Counter()))
    rows = [_row(day, by_day[day], kinds) for day in days]
    top = _round_above(max((row.total for row in rows), default=0))
    pieces = [piece for place, row in enumerate(rows) for piece in _bar(place, row, len(rows), top)]
    return Chart(kinds, rows, pieces, top)


def _kinds(totals: Counter[str]) -> list[Kind]:
    ranked = sorted(totals, key=lambda name: (-totals[name], name))
    kinds = [Kind(rank, name, totals[name]) for rank, name in enumerate(ranked[:MOST_KINDS], 1)]
    rest = sum(totals[name] for name in ranked[MOST_KINDS:])
    return [*kinds, Kind(MOST_KINDS + 1, OTHERS, rest)] if rest else kinds


def _row(day: date, found: Counter[str], kinds: Sequence[Kind]) -> Row:
    named = [found[kind.name] for kind in kinds if kind.rank <= MOST_KINDS]
    return Row(day, (*named, found.total() - sum(named))[: len(kinds)])


def _bar(place: int, row: Row, days: int, top: int) -> list[Piece]:
    """A day's pieces, from the bottom up."""
    room, bottom, pieces = _SIDE / days, _SIDE, []
    for rank, count in enumerate(row.counts, 1):
        height = _SIDE * count / top
        bottom -= height
        if count:
            left, width = place * room + room * (1 - _FILLED) / 2, room * _FILLED
            pieces.append(Piece(rank, round(left, 3), round(bottom, 3), round(width, 3), round(height, 3)))
    return pieces


def _round_above(count: int) -> int:
    """The next of 2, 4, 6, 8, 10, 20, 40 ...: even, for half of it stands on the axis too."""
    step = 1
    while True:
        for factor in (2, 4, 6, 8, 10):
            if count <= factor * step:
                return factor * step
        step *= 10
