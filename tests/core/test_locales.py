"""Language files: each is whole, and no word stands in one without somebody who reads it that way."""

from __future__ import annotations

import re
from itertools import product

import pytest

from relay.core.keywords import Keyword, folded, keyword
from relay.core.locales import LOCALES, WORD_LISTS, read
from relay.core.notices import Phrase

EVERY_LIST = list(product(sorted(LOCALES), WORD_LISTS))
_WHOLE = """
[words]
stop = ["halte la"]
start = []
help = []
[sources]
stop = "somebody"
[phrases]
ended = "It is over."
[code]
named = "{code} for {programme}."
nameless = "{code}."
"""


@pytest.mark.parametrize("language", sorted(LOCALES))
def test_a_language_is_whole_when_it_is_there(language: str) -> None:
    locale = LOCALES[language]

    assert re.fullmatch("[a-z]{2}", language)
    assert set(locale.phrases) == set(Phrase)
    assert set(locale.words) == set(WORD_LISTS) == set(Keyword)
    for phrase, words in locale.phrases.items():
        places = ["{contact}", "{programme}"] if phrase in {Phrase.HELP, Phrase.GREETING} else []
        assert sorted(re.findall(r"{\w*}", words)) == places
    assert re.findall(r"{\w*}", locale.code_named) == ["{code}", "{programme}"]
    assert re.findall(r"{\w*}", locale.code_nameless) == ["{code}"]


@pytest.mark.parametrize(("language", "words"), EVERY_LIST)
def test_somebody_is_named_when_words_are_listed(language: str, words: str) -> None:
    locale = LOCALES[language]

    assert bool(locale.words[words]) is bool(locale.sources.get(words))


@pytest.mark.parametrize(("language", "words"), EVERY_LIST)
def test_a_word_is_found_as_it_stands_when_it_is_listed(language: str, words: str) -> None:
    """A word that is not spelled as texts are compared would be listed in vain; one in two lists would mean two things."""
    for word in LOCALES[language].words[words]:
        assert folded(word) == word
        assert keyword(word) is Keyword(words)


def test_a_language_is_read_when_its_file_is_whole() -> None:
    locale = read("xx", _WHOLE)

    assert locale.words == {"stop": ("halte la",), "start": (), "help": ()}
    assert locale.phrases == {"ended": "It is over."}


@pytest.mark.parametrize("lost", ["[words]", "start = []", "[phrases]", "named =", "[code]"])
def test_a_language_is_refused_when_its_file_lacks_something(lost: str) -> None:
    with pytest.raises((KeyError, ValueError)):
        read("xx", _WHOLE.replace(lost, "[other]" if lost.startswith("[") else "other ="))
