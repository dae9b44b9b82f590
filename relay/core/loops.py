"""Loops and storms: when what one person says to the other has to wait for somebody to look at it.

Two phones that answer by themselves, or two relays that forward to each other, would text for ever at the account's cost. What
shows them is that the same is said again and again, or that more is said than people type.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

WINDOW = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class LegLimits:
    """How much may be said within a minute, 0 = anything: to one person of a session, and by one person to everybody in a pool.
    ``repeats``: the how many-th of the same is too much."""

    per_minute: int = 30
    repeats: int = 5
    per_person: int = 60


def too_many(texts: Sequence[UUID], counted: int, most: int) -> Sequence[UUID]:
    """Which of these texts of one kind, the newest ones of so many, are more than ``most``: the last of them."""
    over = min(max(0, counted - most), len(texts))
    return texts[len(texts) - over :]
