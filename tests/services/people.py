"""Phones and numbers that nobody can have: the ranges reserved for fiction, handed out by count."""

from __future__ import annotations

_AREAS_OF_PEOPLE = (201, 203, 205, 206, 207, 208, 209, 210, 212, 213, 214, 215)
_AREAS_OF_NUMBERS = (301, 302, 303, 304, 305, 307)
_IN_AREA = 100


def phone(n: int) -> str:
    """The phone of the n-th person, 0 to 1199."""
    return _line(_AREAS_OF_PEOPLE, n)


def number(n: int) -> str:
    """The n-th number that an account could rent, 0 to 599."""
    return _line(_AREAS_OF_NUMBERS, n)


def numbers(count: int, *, start: int = 0) -> list[str]:
    return [number(n) for n in range(start, start + count)]


def _line(areas: tuple[int, ...], n: int) -> str:
    return f"+1{areas[n // _IN_AREA]}5550{_IN_AREA + n % _IN_AREA}"


ALICE, BOB, CAROL, STRANGER = "+12025550177", "+12025550188", "+12025550166", "+12025550199"
