"""How many segments a text is cut into on the air: what carriers bill and what a number's pace counts.

3GPP TS 23.038 (alphabets) and 23.040 (concatenation with an 8-bit reference). A text is GSM-7 if every character is in
the default alphabet or its extension table, else UCS-2, all of it: one backtick or one ``ç`` more than halves the room.
National shift tables are left aside because providers do not use them unless asked.

The danger: the provider's own count is the bill, and this is not always it. One that swaps typographic quotes for
plain ones may count fewer; one that chains with a 16-bit reference has room for 152 or 66 and may count more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

# The escape character at 0x1B is not a character of its own; a text that holds one is left to UCS-2, where it is.
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ"
    " !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = frozenset("\f^{}\\[~]|€")  # each is sent as an escape and a second septet
_GSM7 = _BASIC | _EXTENSION


class Encoding(StrEnum):
    """The alphabet that a text is sent in."""

    GSM7 = "gsm7"
    UCS2 = "ucs2"


# Units that fit into the only segment, and into each of several: the header that chains them takes six octets.
_ROOM = {Encoding.GSM7: (160, 153), Encoding.UCS2: (70, 67)}


@dataclass(frozen=True, slots=True)
class Segments:
    """``count`` segments for ``units`` units: septets of GSM-7, 16-bit code units of UCS-2, without padding."""

    encoding: Encoding
    count: int
    units: int


def segments(text: str) -> Segments:
    """Count the segments of a text. An empty text is one segment, because it is sent and billed as one."""
    if _GSM7.issuperset(text):
        return _fill(Encoding.GSM7, [2 if character in _EXTENSION else 1 for character in text])
    return _fill(Encoding.UCS2, [2 if character > "\uffff" else 1 for character in text])


def _fill(encoding: Encoding, widths: Sequence[int]) -> Segments:
    """Lay characters of these widths into segments; one that does not fit moves to the next whole, never cut."""
    alone, chained = _ROOM[encoding]
    units = sum(widths)
    if units <= alone:
        return Segments(encoding, 1, units)
    count, free = 1, chained
    for width in widths:
        if width > free:
            count, free = count + 1, chained
        free -= width
    return Segments(encoding, count, units)
