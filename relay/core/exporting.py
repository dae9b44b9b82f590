"""What somebody who exports the audit log may ask for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from relay.core.errors import InvalidInput, Problem
from relay.core.times import read_time

_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Period:
    """From ``since`` on and before ``until``, in whole seconds, as entries are dated; None = without that end."""

    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_all(self) -> bool:
        return self.since is None and self.until is None


def read_period(since: str | None, until: str | None) -> Period:
    """Read what was asked for. Raises InvalidInput, which names the field that is wrong."""
    period = Period(_read("since", since), _read("until", until))
    if period.since is not None and period.until is not None and period.since >= period.until:
        raise InvalidInput(Problem("until", "invalid", "must be after since"))
    return period


def _read(field: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    at = read_time(field, text)
    if at.microsecond or at < _EARLIEST:
        raise InvalidInput(Problem(field, "invalid", "must be in whole seconds, and not before 1970"))
    return at
