"""The faults that the simulated carrier shows on request, and the few settings that change while it runs.

Both are frozen values, replaced whole: a request reads the weather once and lives under it to its end. What each
fault does is carried out where it strikes (`rest`, `courier`), not here. Only `happens` draws a
random number.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from relay.sandbox.carrier.fields import (
    Reader,
    codes_by_phone,
    flag,
    number_between,
    phones,
    read_fields,
    web_address,
)

_ONE_HOUR_MS = 3_600_000
_TEN_YEARS_S = 315_360_000


@dataclass(frozen=True, slots=True)
class Weather:
    """Which faults strike, and how often: rates are shares between 0 and 1.

    `error_rate` and `throttle_rate` refuse a send with 500 or 429; `latency_ms` passes between acceptance and answer;
    `swallow_rate` and `swallow_to` accept a send and hang up instead of answering; `garble_rate` accepts a send and answers
    nonsense; `unlisted` hides all texts from searches; `undeletable` refuses to delete any; `refuse` answers 400 with the code
    given per recipient; `unreachable` recipients yield `undelivered` receipts. `duplicate_rate` posts webhooks twice,
    `reorder` posts receipts backwards, `drop_receipts` posts none, `mute` none for these recipients.
    """

    latency_ms: float = 0
    error_rate: float = 0
    throttle_rate: float = 0
    swallow_rate: float = 0
    garble_rate: float = 0
    duplicate_rate: float = 0
    reorder: bool = False
    drop_receipts: bool = False
    unlisted: bool = False
    undeletable: bool = False
    refuse: Mapping[str, int] = field(default_factory=dict)
    mute: frozenset[str] = frozenset()
    swallow_to: frozenset[str] = frozenset()
    unreachable: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Config:
    """Where inbound texts and calls are posted, and how far the carrier's clock is ahead (seconds)."""

    webhook_url: str | None = None
    voice_url: str | None = None
    now_offset_s: float = 0


_share = number_between(0, 1)

_WEATHER: Mapping[str, Reader] = {
    "latency_ms": number_between(0, _ONE_HOUR_MS),
    "error_rate": _share,
    "throttle_rate": _share,
    "swallow_rate": _share,
    "garble_rate": _share,
    "duplicate_rate": _share,
    "reorder": flag,
    "drop_receipts": flag,
    "unlisted": flag,
    "undeletable": flag,
    "refuse": codes_by_phone,
    "mute": phones,
    "swallow_to": phones,
    "unreachable": phones,
}

_CONFIG: Mapping[str, Reader] = {
    "webhook_url": web_address,
    "voice_url": web_address,
    "now_offset_s": number_between(-_TEN_YEARS_S, _TEN_YEARS_S),
}


def change_weather(weather: Weather, document: object) -> Weather:
    """Replace the fields that `document` names; raise `BadField` for an unknown or ill-formed one."""
    return replace(weather, **read_fields(document, _WEATHER))


def change_config(config: Config, document: object) -> Config:
    """Replace the fields that `document` names; raise `BadField` for an unknown or ill-formed one."""
    return replace(config, **read_fields(document, _CONFIG))


def as_document(value: Weather | Config) -> dict[str, Any]:
    """The value as JSON can carry it: sets become sorted lists."""
    document = {}
    for each in fields(value):
        held = getattr(value, each.name)
        document[each.name] = sorted(held) if isinstance(held, frozenset) else held
    return document


def happens(rate: float) -> bool:
    """Draw whether a fault of this rate strikes now: never at 0, always at 1."""
    return random.random() < rate  # noqa: S311 -- chooses faults, keeps no secret
