"""Who should have received what. Knows nothing of Relay: it reads the log of what was done and the carrier's ledger.

Each text that was sent carries words of its own, so every entry of the ledger can be led back to it. ``judge`` returns
every complaint that it has; none means that each text went to the right person, from the right number, in order within its
leg, once, and that nothing else was sent.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

DAY = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Opened:
    """A session was opened at place ``at`` of the log. ``numbers``: person -> the number that this person texts."""

    at: int
    session: str
    numbers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Closed:
    """A close was asked for at ``began`` and confirmed at ``at``."""

    began: int
    at: int
    session: str


@dataclass(frozen=True, slots=True)
class Texted:
    """A person texted a number, and the carrier's call was answered 2xx, at ``at``; ``clock`` is the time of day then."""

    at: int
    sender: str
    number: str
    text: str
    clock: float


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger."""

    sender: str
    to: str
    text: str


@dataclass(slots=True)
class Log:
    """What was done, in order."""

    opened: list[Opened] = field(default_factory=list)
    closed: dict[str, Closed] = field(default_factory=dict)
    texted: list[Texted] = field(default_factory=list)
    ended: dict[str, int] = field(default_factory=dict)  #: session -> place at which it ended by itself
    place: int = 0

    def next(self) -> int:
        self.place += 1
        return self.place


@dataclass(frozen=True, slots=True)
class Expected:
    """Where a text belongs. ``surely``: it must have arrived; otherwise a close may have come first."""

    to: str
    sender: str
    session: str
    surely: bool


@dataclass(slots=True)
class Verdict:
    """The complaints, and how much was looked at."""

    complaints: list[str] = field(default_factory=list)
    delivered: int = 0
    notices: int = 0
    refused: int = 0


def judge(log: Log, ledger: Sequence[Entry], *, notices: Iterable[str]) -> Verdict:
    """Hold the ledger against the log."""
    verdict = Verdict()
    holders = _holders(log)
    expected = {t.text: _expected(log, holders, t) for t in log.texted}
    arrivals: dict[str, int] = defaultdict(int)
    legs: dict[tuple[str, str], list[str]] = defaultdict(list)
    answers: dict[tuple[str, str], int] = defaultdict(int)
    for entry in ledger:
        if entry.text in expected:
            _check_delivery(entry, expected[entry.text], verdict)
            arrivals[entry.text] += 1
            where = expected[entry.text]
            if where is not None:
                legs[where.session, where.to].append(entry.text)
        elif entry.text in set(notices):
            answers[entry.sender, entry.to] += 1
            verdict.notices += 1
        else:
            verdict.complaints.append(f"nobody wrote what {entry.sender} sent")
    _check_counts(expected, arrivals, verdict)
    _check_order(log, legs, verdict)
    _check_answers(log, holders, answers, verdict)
    return verdict


def _holders(log: Log) -> dict[tuple[str, str], list[Opened]]:
    """Every session that ever bound this number and person, oldest first."""
    holders: dict[tuple[str, str], list[Opened]] = defaultdict(list)
    for opened in log.opened:
        for person, number in opened.numbers.items():
            holders[number, person].append(opened)
    return holders


def _expected(log: Log, holders: Mapping[tuple[str, str], Sequence[Opened]], text: Texted) -> Expected | None:
    """Where it belongs, or None: it was late, or from a stranger."""
    for opened in reversed(holders.get((text.number, text.sender), ())):
        if opened.at > text.at:
            continue
        closed = log.closed.get(opened.session)
        if (closed and closed.at < text.at) or log.ended.get(opened.session, text.at) < text.at:
            return None
        other = next(person for person in opened.numbers if person != text.sender)
        return Expected(other, opened.numbers[other], opened.session, surely=closed is None)
    return None


def _check_delivery(entry: Entry, expected: Expected | None, verdict: Verdict) -> None:
    if expected is None:
        verdict.complaints.append(f"a text that belonged to nobody left from {entry.sender}")
    elif entry.to != expected.to:
        verdict.complaints.append(f"session {expected.session}: a text reached the wrong person")
    elif entry.sender != expected.sender:
        verdict.complaints.append(f"session {expected.session}: a text came from {entry.sender}, not {expected.sender}")
    else:
        verdict.delivered += 1


def _check_counts(expected: Mapping[str, Expected | None], arrivals: Mapping[str, int], verdict: Verdict) -> None:
    for text, where in expected.items():
        count = arrivals.get(text, 0)
        if count > 1:
            verdict.complaints.append(f"a text was sent {count} times")
        if where is not None and where.surely and count == 0:
            verdict.complaints.append(f"session {where.session}: a text was lost")
        verdict.refused += count == 0


def _check_order(log: Log, legs: Mapping[tuple[str, str], Sequence[str]], verdict: Verdict) -> None:
    written = {t.text: t.at for t in log.texted}
    for (session, _), texts in legs.items():
        places = [written[text] for text in texts]
        if places != sorted(places):
            verdict.complaints.append(f"session {session}: a leg is out of order")


def _check_answers(
    log: Log,
    holders: Mapping[tuple[str, str], Sequence[Opened]],
    answers: Mapping[tuple[str, str], int],
    verdict: Verdict,
) -> None:
    """A notice answers somebody who texted that very number, at most once a day."""
    for (number, person), count in answers.items():
        texts = [t for t in log.texted if t.number == number and t.sender == person]
        days = {int((t.clock - texts[0].clock) // DAY) for t in texts}
        if not holders.get((number, person)):
            verdict.complaints.append(f"a stranger was answered from {number}")
        elif count > len(days) + 1:
            verdict.complaints.append(f"somebody was answered {count} times from {number} in {len(days)} days")
