"""Who texts whom over which number: the same people and numbers for every build that is measured. Pure arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

POOLS = 64
NUMBERS = 16 * POOLS
_AREAS = [area for area in range(201, 990) if area % 100 != 11]
_NUMBER_AREAS = (
    202,
    205,
    206,
    212,
    213,
    214,
    216,
    303,
    305,
    312,
    313,
    314,
    317,
    404,
    405,
    408,
    410,
    415,
    503,
    512,
    617,
)
_EACH = 50  #: of the hundred phones of an area that are kept free for examples, numbers take the first half, people the other
PAIRS = len(_AREAS) * _EACH // 2
MOST_SESSIONS = PAIRS * NUMBERS


@dataclass(frozen=True, slots=True)
class Talk:
    """One direction of a session: ``sender`` texts ``number``; ``recipient`` shall get it from ``shown``."""

    sender: str
    number: str
    recipient: str
    shown: str


@dataclass(frozen=True, slots=True)
class Pairing:
    """A session: two people by their places in the list of people, and the number that each of them texts."""

    pool: int
    people: tuple[int, int]
    numbers: tuple[int, int]

    def talks(self) -> tuple[Talk, Talk]:
        one, other = (phone(person) for person in self.people)
        first, second = (number(n) for n in self.numbers)
        return Talk(one, first, other, second), Talk(other, second, one, first)


def phone(person: int) -> str:
    """A person's phone."""
    return f"+1{_AREAS[person // _EACH]}55501{_EACH + person % _EACH:02}"


def number(n: int) -> str:
    """A proxy number."""
    return f"+1{_NUMBER_AREAS[n // _EACH]}55501{n % _EACH:02}"


def pairings(count: int, *, pools: int = POOLS) -> Iterator[Pairing]:
    """So many different sessions, spread evenly over pools and numbers. ``pools`` divides ``NUMBERS``."""
    numbers = NUMBERS // pools
    if count > MOST_SESSIONS:
        raise ValueError("there are not so many people and numbers")
    for k in range(count):
        turn, pair = divmod(k, PAIRS)
        place = (pair + turn) % NUMBERS
        slot, pool = divmod(place, pools)
        base = pool * numbers
        yield Pairing(pool, (2 * pair, 2 * pair + 1), (base + slot, base + (slot + 1) % numbers))
