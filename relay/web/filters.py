"""Which entries somebody wants to see, as the address of the page says it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import urlencode

from relay.web.log import Wanted

_SHOWN_DAYS = 30
_MOST_DAYS = 92
_WORDS = {
    "event": (re.compile(r"[a-z]{1,30}\.[a-z_]{1,30}"), "must be a kind of event, as in message.refused"),
    "reason": (re.compile(r"[a-z_]{1,40}"), "must be a reason, as in opted_out"),
    "session": (re.compile(r"ses_[a-z2-7]{26}|[0-9a-f]{32}"), "must be a session's id, or its name in the log"),
}
DAYS = ("since", "until")
_FIRST, _LAST = date(1970, 1, 1), date(9998, 12, 31)  # the day after it can be written down, too
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NUMBER = re.compile(r"[0-9]{1,15}")


def read_wanted(query: Mapping[str, str]) -> tuple[Wanted, dict[str, str]]:
    """What is wanted, and field by field what is wrong with the rest. What is empty or unknown is not asked for."""
    given = {name: value.strip() for name, value in query.items() if value.strip()}
    problems = {n: words for n, (form, words) in _WORDS.items() if n in given and not form.fullmatch(given[n])}
    days = {name: _day(given[name]) for name in DAYS if name in given}
    problems |= {name: "must be a day, as in 2026-11-21" for name, found in days.items() if found is None}
    since, until = days.get("since"), days.get("until")
    if since and until and since > until:
        problems["until"] = "must not be before the first day"
    words = {name: given[name] for name in _WORDS if name in given and name not in problems}
    before = int(given["before"]) if _NUMBER.fullmatch(given.get("before", "")) else None
    return Wanted(**words, since=since, until=None if "until" in problems else until, before=before), problems


def shown_again(query: Mapping[str, str]) -> dict[str, str]:
    """What the form's fields hold when the page is shown; a field for a day takes nothing else."""
    return {name: value for name, value in query.items() if name not in DAYS or _day(value.strip())}


def charted_days(wanted: Wanted, today: date) -> tuple[date, date]:
    """The first and the last day of the chart: those asked for, else the last thirty; never more than a quarter of a year."""
    last = min(wanted.until or today, today)
    first = wanted.since or last - timedelta(days=_SHOWN_DAYS - 1)
    return max(min(first, last), last - timedelta(days=_MOST_DAYS - 1)), last


def begins(day: date, *, later: int = 0) -> datetime:
    """When a day begins by UTC, or the one so many days later."""
    return datetime.combine(day + timedelta(days=later), time(), UTC)


def times_of(wanted: Wanted) -> tuple[datetime | None, datetime | None]:
    """From when on, and before when: the days that are wanted are whole."""
    since, until = wanted.since, wanted.until
    return None if since is None else begins(since), None if until is None else begins(until, later=1)


def query_of(wanted: Wanted, before: int | None = None) -> str:
    """The address's part behind the question mark that says so."""
    said = {
        "event": wanted.event,
        "reason": wanted.reason,
        "session": wanted.session,
        "since": wanted.since,
        "until": wanted.until,
        "before": before,
    }
    return urlencode({name: str(value) for name, value in said.items() if value is not None})


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        return None
    return day if day is not None and _FIRST <= day <= _LAST else None
