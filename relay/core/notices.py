"""What Relay itself says to a person, by language. An account may put its own words in place of any of these.

No notice says why a text was not delivered to the other person, and none names anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from relay.core.keywords import folded
from relay.core.locales import LOCALES, Locale
from relay.core.routing import Notice

DEFAULT_LANGUAGE = "en"


class Phrase(StrEnum):
    """What Relay says in words that an account may change: the notices, the one confirmation after STOP, the first text of a
    session, and the sentence a caller hears."""

    ENDED = Notice.ENDED
    UNDELIVERABLE = Notice.UNDELIVERABLE
    MEDIA = Notice.MEDIA
    HELP = Notice.HELP
    STOPPED = "stopped"
    GREETING = "greeting"
    CALL = "call"


LANGUAGES = frozenset(LOCALES)
#: What does not name a programme: the same from every relay.
_AUTOMATIC = frozenset(folded(w) for locale in LOCALES.values() for w in locale.phrases.values() if "{" not in w)


def say(phrase: Phrase, *, language: str, own_words: Mapping[str, str], programme: str = "", contact: str = "") -> str:
    """The words for a phrase: the account's own, else those of its language."""
    words = own_words.get(phrase) or _locale(language).phrases[phrase]
    named = f"{programme}: " if programme else ""
    reach = f"{contact}. " if contact else ""
    return words.replace("{programme}", named).replace("{contact}", reach).strip()


def say_code(code: str, *, language: str, programme: str = "") -> str:
    """The text that carries a code. It says nothing else, and no account words it anew."""
    locale = _locale(language)
    words = locale.code_named if programme else locale.code_nameless
    return words.replace("{code}", code).replace("{programme}", programme)


def is_automatic(text: str, own_words: Mapping[str, str]) -> bool:
    """Whether a text is what a relay says by itself, in ours or the account's own words. An answer to it would be answered."""
    said = folded(text)
    return said is not None and (said in _AUTOMATIC or said in {folded(words) for words in own_words.values()})


def _locale(language: str) -> Locale:
    return LOCALES.get(language, LOCALES[DEFAULT_LANGUAGE])
