"""One SMS on its way out: sealed, as the outbox holds it, and opened, as a provider is given it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Envelope:
    """A phone and a text, sealed for one message's outbox row under one transit key."""

    sealed_phone: bytes = field(repr=False)
    sealed_text: bytes = field(repr=False)
    transit_id: int


@dataclass(frozen=True, slots=True)
class Letter:
    """The same, opened. Never stored, never logged."""

    phone: str = field(repr=False)
    text: str = field(repr=False)
