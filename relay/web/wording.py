"""How times and numbers are said to a person."""

from __future__ import annotations

from datetime import date, datetime, timedelta

_THIN_SPACE = "\u2009"
_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60))


def day(at: date) -> str:
    """``21 Nov 2026``."""
    return f"{at.day} {at:%b %Y}"


def moment(at: datetime) -> str:
    """``21 Nov 2026 18:04:09``. By UTC, as everywhere."""
    return f"{day(at)} {at:%H:%M:%S}"


def figure(count: int) -> str:
    """``12 345``, with a space that is thin and does not break."""
    return f"{count:,}".replace(",", _THIN_SPACE)


def span(length: timedelta) -> str:
    """``4 minutes``: one unit, rounded down; under a minute it is ``less than a minute``."""
    seconds = int(length.total_seconds())
    for name, unit in _UNITS:
        if seconds >= unit:
            count = seconds // unit
            return f"{count} {name}{'s' if count > 1 else ''}"
    return "less than a minute"
