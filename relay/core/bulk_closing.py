"""Closing many sessions at once: which of them are meant, and how far it has come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from relay.core.errors import InvalidInput, Problem


@dataclass(frozen=True, slots=True)
class SessionsMeant:
    """Open sessions for which all of this holds. None = any. ``idle_since``: nobody has written in them since then."""

    pool_id: UUID | None = None
    name_prefix: str | None = None
    created_before: datetime | None = None
    idle_since: datetime | None = None

    def refuse_if_all(self) -> None:
        """Raises InvalidInput when nothing is said: closing everything has to be asked for by a time, in so many words."""
        if self == SessionsMeant():
            message = "give at least one of pool, unique_name_prefix, created_before and idle_since"
            raise InvalidInput(Problem("filter", "empty_filter", message))


@dataclass(frozen=True, slots=True)
class Part:
    """How far it has come in one bucket."""

    matched: int
    closed: int
    is_done: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it has come. ``matched`` were open when it was asked for; what ended by itself meanwhile is not ``closed``."""

    matched: int
    closed: int
    remaining: int
    is_done: bool


def progress(parts: Sequence[Part | None]) -> Progress:
    """The sum over all buckets; None = one that does not know of it yet."""
    known = [part for part in parts if part is not None]
    return Progress(
        matched=sum(part.matched for part in known),
        closed=sum(part.closed for part in known),
        remaining=sum(max(0, part.matched - part.closed) for part in known if not part.is_done),
        is_done=len(known) == len(parts) and all(part.is_done for part in known),
    )
