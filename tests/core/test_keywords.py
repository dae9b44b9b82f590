"""Keywords: every listed word in every dress, and conversation that must pass."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.core.keywords import Keyword, keyword

# Written out again rather than imported: a word lost from the table must be missed here.
STOP = [
    *("stop", "stopall", "stop all", "unsubscribe", "cancel", "end", "quit", "revoke", "optout", "opt out", "opt-out"),
    *("arret", "arrêt", "arrete", "arrett", "alto", "parar", "stopp"),
]
START = ["start", "unstop", "yes"]
HELP = ["help", "info", "aide", "ayuda"]
WORDS = [
    *((word, Keyword.STOP) for word in STOP),
    *((word, Keyword.START) for word in START),
    *((word, Keyword.HELP) for word in HELP),
]

ORNAMENT = st.text(alphabet=" \t\r\n.,!?;:'\"…“”«»()[]*_~-–—/\\<>🛑🙏\u00a0\u200b\ufeff\x00", max_size=8)


@pytest.mark.parametrize(("word", "meaning"), WORDS)
def test_keyword_is_found_when_it_is_the_whole_text(word: str, meaning: Keyword) -> None:
    assert keyword(word) is meaning
    assert keyword(word.upper()) is meaning
    assert keyword(word.title()) is meaning
    assert keyword(unicodedata.normalize("NFD", word)) is meaning


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(WORDS), ORNAMENT, ORNAMENT)
def test_keyword_is_found_when_only_ornament_surrounds_it(case: tuple[str, Keyword], before: str, after: str) -> None:
    word, meaning = case

    assert keyword(before + word + after) is meaning


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("STOP.", Keyword.STOP),
        ("  Stop!! ", Keyword.STOP),
        ("“STOP”", Keyword.STOP),
        ("_stop_", Keyword.STOP),
        ("stop 🛑", Keyword.STOP),
        ("ＳＴＯＰ", Keyword.STOP),
        ("S\u200bT\u200bO\u200bP", Keyword.STOP),  # what nobody sees: spaces of no width,
        ("ST\u00adOP", Keyword.STOP),  # a hyphen for where the line may end,
        ("\u202aS\u2060TOP\u202c", Keyword.STOP),  # and what says in which direction to read
        ("STOP" + " " * 500, Keyword.STOP),
        ("Stop-All", Keyword.STOP),
        ("STOP\nALL", Keyword.STOP),
        ("opt.out", Keyword.STOP),
        ("Opt – Out", Keyword.STOP),
        ("ARRÊT!", Keyword.STOP),
        ("¿Ayuda?", Keyword.HELP),
        ("Yes.", Keyword.START),
        ("Help?", Keyword.HELP),
    ],
)
def test_keyword_is_found_when_people_write_it_their_way(text: str, meaning: Keyword) -> None:
    assert keyword(text) is meaning


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "!!!",
        "🛑",
        "stop at the corner",
        "please stop",
        "stop please",
        "don't stop",
        "stop stop",
        "stops",
        "stopping",
        "stop1",
        "stop 2",
        "st op",
        "s t o p",
        "bus stop",
        "all stop",
        "the end",
        "cancel the ride",
        "opt",
        "out",
        "out opt",
        "yes please",
        "yeah",
        "no",
        "help me",
        "can you help?",
        "info?!? about what",
        "restart",
        # said to one another every day, whatever some platform makes of them
        "para",
        "baja",
        "Bajá",
        "sal",
        "arrête",
        "Ende",
        "halt",
        "hjälp",
        "slut",
        "oui",
        "sí",
        "ja",
        "СТОП",
        "stoр",  # the last letter is Cyrillic
    ],
)
def test_nothing_is_found_when_text_is_conversation(text: str) -> None:
    assert keyword(text) is None


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(WORDS), st.text(alphabet="abcdefgåéñ0123456789", min_size=1, max_size=6))
def test_nothing_is_found_when_another_word_follows(case: tuple[str, Keyword], other: str) -> None:
    word, _ = case

    assert keyword(f"{word}, {other}") is None or f"{word} {other}" in {"stop all", "opt out"}


def test_nothing_is_found_when_text_is_longer_than_one_sms_part() -> None:
    """Normalising unbounded text of combining marks is quadratic; a keyword does not need it."""
    assert keyword("stop" + "!" * 156) is Keyword.STOP
    assert keyword("stop" + "!" * 157) is None


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_an_answer_is_given_when_text_is_anything(text: str) -> None:
    assert keyword(text) in {None, *Keyword}
