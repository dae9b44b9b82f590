"""Notices: something to say in every language, with the words that must be in it and nothing that must not."""

from __future__ import annotations

import re
from itertools import product

import pytest

from relay.core.delivery import CODE_MAY_WAIT
from relay.core.keywords import Keyword, keyword
from relay.core.notices import DEFAULT_LANGUAGE, LANGUAGES, Phrase, is_automatic, say, say_code
from relay.core.routing import Notice
from relay.core.segments import segments

EVERYTHING = [(str(phrase), language) for phrase, language in product(Phrase, sorted(LANGUAGES))]
PROGRAMME, CONTACT = "Rides", "help@rides.example"
# What would tell a sender something about the other person: that they opted out, blocked, have no phone that is on.
TELLTALES = re.compile(
    r"block|opt|stop|abgemeldet|bloque|spärr|sperr|blokke|esto|zablok|unsubscri|switched off|invalid", re.IGNORECASE
)


def said(phrase: str, language: str, **own_words: str) -> str:
    """What a person reads."""
    return say(Phrase(phrase), language=language, own_words=own_words, programme=PROGRAMME, contact=CONTACT)


def test_twelve_languages_are_spoken_when_nobody_adds_one() -> None:
    assert {"da", "de", "en", "es", "fi", "fr", "it", "nb", "nl", "pl", "pt", "sv"} == LANGUAGES
    assert DEFAULT_LANGUAGE in LANGUAGES


@pytest.mark.parametrize(("phrase", "language"), EVERYTHING)
def test_a_whole_sentence_is_said_when_any_phrase_is_asked_for(phrase: str, language: str) -> None:
    words = said(phrase, language)

    assert words == words.strip()
    assert words.endswith(".")
    assert not re.search(r"[{}\n]|  |\.\.", words)


@pytest.mark.parametrize(("phrase", "language"), EVERYTHING)
def test_nothing_gapes_when_an_account_has_neither_name_nor_contact(phrase: str, language: str) -> None:
    words = say(Phrase(phrase), language=language, own_words={})

    assert words == words.strip()
    assert not re.search(r"[{}\n]|  |\.\.|^[:.]", words)


@pytest.mark.parametrize(("phrase", "language"), EVERYTHING)
def test_a_phrase_is_short_when_it_is_sent(phrase: str, language: str) -> None:
    """Each segment is billed, and answers are sent unasked."""
    assert segments(said(phrase, language)).count <= 3


@pytest.mark.parametrize(("phrase", "other"), [(p, q) for p, q in product(Phrase, Phrase) if p < q])
def test_two_phrases_differ_when_they_mean_different_things(phrase: Phrase, other: Phrase) -> None:
    for language in LANGUAGES:
        assert said(phrase, language) != said(other, language)


@pytest.mark.parametrize("phrase", Phrase)
def test_each_language_has_its_own_words_when_a_phrase_is_translated(phrase: Phrase) -> None:
    assert len({said(phrase, language) for language in LANGUAGES}) == len(LANGUAGES)


@pytest.mark.parametrize("notice", Notice)
def test_a_phrase_exists_when_a_notice_does(notice: Notice) -> None:
    assert Phrase(notice.value).value == notice.value


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_help_names_programme_and_contact_and_the_way_out_when_asked(language: str) -> None:
    """The three things that CTIA's principles want in the answer to HELP."""
    words = said("help", language)

    assert words.startswith(f"{PROGRAMME}: ")
    assert f"{CONTACT}. " in words
    assert Keyword.STOP in keywords_in(words)


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_the_confirmation_tells_the_way_back_when_somebody_stopped(language: str) -> None:
    assert keywords_in(said("stopped", language)) == {Keyword.START}


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_a_first_text_says_who_writes_and_how_it_ends_when_a_session_opens(language: str) -> None:
    words = said("greeting", language)

    assert words.startswith(f"{PROGRAMME}: ")
    assert f"{CONTACT}. " in words
    assert keywords_in(words) == {Keyword.STOP}


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_nothing_is_told_about_the_other_person_when_a_text_was_not_delivered(language: str) -> None:
    words = said("undeliverable", language)

    assert not TELLTALES.search(words)
    assert PROGRAMME not in words


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_no_answer_is_taken_for_a_keyword_when_it_comes_back(language: str) -> None:
    """Two relays that text each other must not opt one another out."""
    assert [phrase for phrase in Phrase if keyword(said(phrase, language))] == []


@pytest.mark.parametrize("phrase", Phrase)
def test_the_accounts_own_words_are_said_when_it_has_some(phrase: Phrase) -> None:
    own = {phrase.value: "{programme}Our own words. {contact}"}

    assert said(phrase, "de", **own) == f"{PROGRAMME}: Our own words. {CONTACT}."
    assert say(phrase, language="xx", own_words=own) == "Our own words."


@pytest.mark.parametrize("phrase", Phrase)
def test_only_that_phrase_changes_when_an_account_words_one(phrase: Phrase) -> None:
    for other in set(Phrase) - {phrase}:
        assert said(other, "sv", **{phrase.value: "Our own words."}) == said(other, "sv")


@pytest.mark.parametrize("phrase", Phrase)
def test_the_usual_words_are_said_when_an_accounts_own_are_empty(phrase: Phrase) -> None:
    assert said(phrase, "fr", **{phrase.value: ""}) == said(phrase, "fr")


@pytest.mark.parametrize("language", ["", "xx", "EN", "en-GB", "\N{NO ENTRY SIGN}"])
def test_english_is_said_when_the_language_is_not_known(language: str) -> None:
    assert said("ended", language) == said("ended", "en")


def test_braces_are_left_alone_when_own_words_hold_others() -> None:
    """Own words are not a format string: nothing in them may raise, or reach into objects."""
    own = "{0} {} {programme.__class__} {phone} 100% {"

    assert said("ended", "en", ended=own) == own


@pytest.mark.parametrize("language", sorted(LANGUAGES))
@pytest.mark.parametrize("programme", ["", PROGRAMME])
def test_a_code_is_said_with_its_programme_and_how_long_it_lasts_when_it_is_sent(language: str, programme: str) -> None:
    words = say_code("012345", language=language, programme=programme)

    assert words.startswith("012345 ")
    assert words.endswith(".")
    assert re.findall(r"[0-9]+", words) == ["012345", str(CODE_MAY_WAIT.seconds // 60)]
    assert (PROGRAMME in words) is bool(programme)
    assert not re.search(r"[{}\n]|  |\.\.| \.", words)
    assert segments(words).count == 1
    assert keyword(words) is None


def test_each_language_has_its_own_words_when_a_code_is_sent() -> None:
    assert len({say_code("012345", language=language) for language in LANGUAGES}) == len(LANGUAGES)
    assert say_code("012345", language="xx") == "012345 is your code. It is valid for 5 minutes."


def test_nothing_is_put_into_a_programmes_name_when_it_looks_like_a_place() -> None:
    words = say_code("012345", language="en", programme="{code}{programme}")

    assert words == "012345 is your code for {code}{programme}. It is valid for 5 minutes."


#: Those that name a programme, and are never an answer to an answer.
NAMING = ("help", "greeting")


def keywords_in(words: str) -> set[Keyword]:
    """What the words in capitals would do if they were sent back."""
    found = (keyword(word) for word in re.findall(r"\b[A-Z]{4,}\b", words))
    return {meaning for meaning in found if meaning}


@pytest.mark.parametrize(("phrase", "language"), [case for case in EVERYTHING if case[0] not in NAMING])
def test_what_a_relay_says_is_known_as_automatic_when_it_comes_back(phrase: str, language: str) -> None:
    assert is_automatic(f" {said(phrase, language).upper()}", {})


@pytest.mark.parametrize("text", ["", "hello", "This conversation has ended.", "x" * 5000])
def test_nothing_is_automatic_when_a_person_says_it(text: str) -> None:
    assert not is_automatic(text, {"ended": "This ride is over."})
    assert is_automatic("This ride is over!", {"ended": "This ride is over."})
