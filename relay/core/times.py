"""How a time is written for whoever reads it outside, and read from what they write."""

from __future__ import annotations

from datetime import UTC, datetime

from relay.core.errors import InvalidInput, Problem


def written(at: datetime | None) -> str | None:
    """RFC 3339, UTC, whole seconds."""
    return f"{at.year:04}{at:-%m-%dT%H:%M:%SZ}" if at else None  # %Y would write the year 414 with three digits


def read_time(field: str, text: str) -> datetime:
    """A time with its zone, in UTC. Raises InvalidInput, which names the field, for anything else."""
    try:
        at = datetime.fromisoformat(text)
        if at.tzinfo is not None:
            return at.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise InvalidInput(Problem(field, "invalid", "must be a time with its zone, such as 2026-11-20T08:00:00Z"))
