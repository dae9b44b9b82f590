"""One SMS as the simulated carrier holds it, and how many segments it is billed as.

No HTTP and no state here. A `Text` never changes once made: its status is the one that it ends with, because this
carrier decides at acceptance what becomes of a text. Part of the carrier, so nothing of relay outside `carrier*` may
be imported: a segment count shared with the relay could not contradict it.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Direction = Literal["inbound", "outbound-api"]

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_TEXT_ID = re.compile(r"(SM|MM)[0-9a-f]{32}")

# 3GPP TS 23.038: the default alphabet (one septet) and its extension table (an escape and a septet).
_GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_EXTENDED = frozenset("\f^{}\\[~]|€")


@dataclass(frozen=True, slots=True)
class Text:
    """One SMS: who sent what to whom, when (UTC), and what became of it.

    `callback` is the address for its receipts, `error_code` is set when it never reached the handset, and `media`
    counts the files that came with it.
    """

    id: str
    sender: str
    recipient: str
    body: str
    at: datetime
    direction: Direction
    media: int = 0
    callback: str | None = None
    error_code: int | None = None

    @property
    def status(self) -> str:
        """The status that the text ends with, in Twilio's words."""
        if self.direction == "inbound":
            return "received"
        return "delivered" if self.error_code is None else "undelivered"


def new_text_id(*, media: int = 0) -> str:
    """Draw an id as Twilio forms it: `MM` for a text with media, else `SM`, and 32 hex digits."""
    return ("MM" if media else "SM") + secrets.token_hex(16)


def is_text_id(value: str) -> bool:
    """Whether `value` has the form of an id drawn by `new_text_id`."""
    return _TEXT_ID.fullmatch(value) is not None


def is_e164(value: str) -> bool:
    """Whether `value` is written as E.164 with its plus sign; says nothing about whether anybody owns it."""
    return _E164.fullmatch(value) is not None


def segments(body: str) -> int:
    """How many SMS `body` takes: 160 septets or 70 UTF-16 units alone, 153 or 67 for each part of several."""
    if all(char in _GSM_BASIC or char in _GSM_EXTENDED for char in body):
        return _parts([2 if char in _GSM_EXTENDED else 1 for char in body], alone=160, joined=153)
    return _parts([2 if ord(char) > 0xFFFF else 1 for char in body], alone=70, joined=67)


def _parts(costs: Sequence[int], *, alone: int, joined: int) -> int:
    if sum(costs) <= alone:
        return 1
    parts, used = 1, 0
    for cost in costs:
        # An escape or surrogate pair is never cut in two: it opens the next part whole.
        if used + cost > joined:
            parts, used = parts + 1, 0
        used += cost
    return parts


def rfc3339(at: datetime) -> str:
    """Write a UTC time as `2026-11-20T15:52:00.123456Z`."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
