"""Segments: cases at every boundary, and an independent implementation (``smsutil``) as oracle."""

from __future__ import annotations

import pytest
import smsutil
from hypothesis import example, given, settings
from hypothesis import strategies as st

from relay.core.segments import Encoding, Segments, segments

GSM7, UCS2 = Encoding.GSM7, Encoding.UCS2

BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION = "\f^{}\\[~]|€"
LOOKALIKES = "çáíóúêâ`´‘’“”–…\t\u00a0"  # on keyboards everywhere, in the default alphabet nowhere

# Long runs of one width between single characters of the other put wide characters at every place near a boundary.
gsm7_pieces = st.one_of(st.text(alphabet=BASIC + EXTENSION, max_size=5), st.integers(0, 160).map("a".__mul__))
ucs2_pieces = st.one_of(st.text(max_size=5), st.integers(0, 70).map("я".__mul__), st.integers(0, 40).map("🚗".__mul__))
gsm7_text = st.lists(gsm7_pieces, max_size=6).map("".join).filter(bool)
any_text = st.lists(st.one_of(gsm7_pieces, ucs2_pieces), max_size=6).map("".join)
oracle_settings = settings(max_examples=500, deadline=None)


def oracle(text: str) -> Segments:
    split = smsutil.split(text)
    if split.encoding == "gsm0338":
        return Segments(GSM7, len(split.parts), split.total_bytes)
    return Segments(UCS2, len(split.parts), split.total_bytes // 2)


@oracle_settings
@given(gsm7_text)
@example("a" * 152 + "€" + "a" * 10)
@example("€" * 77)
def test_count_agrees_with_oracle_when_text_is_gsm7(text: str) -> None:
    assert segments(text) == oracle(text)
    assert segments(text).encoding is GSM7


@oracle_settings
@given(any_text)
@example("я" * 66 + "🚗" + "я" * 10)
@example("🚗" * 34)
def test_count_agrees_with_oracle_when_text_is_anything(text: str) -> None:
    """Two things are not asked: the oracle takes a bare escape for a character, and an empty text for UCS-2."""
    askable = text.replace("\x1b", "") or " "

    assert segments(askable) == oracle(askable)


@pytest.mark.parametrize(
    ("text", "encoding", "count", "units"),
    [
        ("", GSM7, 1, 0),
        ("On my way", GSM7, 1, 9),
        ("a" * 160, GSM7, 1, 160),
        ("a" * 161, GSM7, 2, 161),
        ("a" * 306, GSM7, 2, 306),
        ("a" * 307, GSM7, 3, 307),
        ("€" * 80, GSM7, 1, 160),
        ("€" * 81, GSM7, 2, 162),
        ("€" * 152, GSM7, 2, 304),
        ("€" * 153, GSM7, 3, 306),  # 76 pairs a segment: the 153rd septet stays empty rather than holding half a pair
        ("a" * 152 + "€" + "a" * 152, GSM7, 3, 306),
        ("a" * 151 + "€" + "a" * 153, GSM7, 2, 306),
        ("я" * 70, UCS2, 1, 70),
        ("я" * 71, UCS2, 2, 71),
        ("я" * 134, UCS2, 2, 134),
        ("я" * 135, UCS2, 3, 135),
        ("🚗" * 35, UCS2, 1, 70),
        ("🚗" * 36, UCS2, 2, 72),
        ("🚗" * 66, UCS2, 2, 132),
        ("🚗" * 67, UCS2, 3, 134),  # 33 pairs a segment
        ("я" * 66 + "🚗" + "я" * 66, UCS2, 3, 134),
        ("a" * 69 + "я", UCS2, 1, 70),
        ("a" * 70 + "я", UCS2, 2, 71),
        ("🇸🇪", UCS2, 1, 4),
        ("\ud83d", UCS2, 1, 1),
        ("a\x1bb", UCS2, 1, 3),
    ],
)
def test_segments_are_counted_when_text_meets_a_boundary(text: str, encoding: Encoding, count: int, units: int) -> None:
    assert segments(text) == Segments(encoding, count, units)


def test_text_is_gsm7_when_every_character_is_in_the_tables() -> None:
    assert segments(BASIC) == Segments(GSM7, 1, 127)
    assert segments(EXTENSION) == Segments(GSM7, 1, 20)


@pytest.mark.parametrize("character", LOOKALIKES)
def test_text_is_ucs2_when_one_character_is_not_in_the_tables(character: str) -> None:
    assert segments("a" * 70 + character) == Segments(UCS2, 2, 71)
