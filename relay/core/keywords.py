"""STOP, START, HELP and the words that carriers take for them, by language.

A keyword is the whole text: one word, or one of the few fixed phrases, and nothing else but spaces, punctuation and
symbols around it. "stop at the corner" is conversation. What follows from a keyword is decided elsewhere; YES, for
instance, is a START word here and an ordinary answer from anybody who has not opted out.

The danger lies on both sides: a word missed keeps texting somebody who said stop, and a word too many silences a
person in mid-conversation. So a word is listed (in the files of ``locales``) only if a regulator, a carrier rule book or a
provider reads it that way, and in the spelling given there; words of one language are read in all.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum

from relay.core.locales import LOCALES


class Keyword(StrEnum):
    """What a person asks of Relay itself."""

    STOP = "stop"
    START = "start"
    HELP = "help"


_MEANING = {phrase: meaning for meaning in Keyword for locale in LOCALES.values() for phrase in locale.words[meaning]}

_WORD = re.compile(r"[^\W_]+")

# What stands in a text and is not seen. A person who reads STOP on their screen has said it.
_UNSEEN = re.compile("[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")

# One SMS part. A keyword fits with all the punctuation anybody types, and normalising a hostile text of combining
# marks takes time that grows with the square of its length.
_LONGEST = 160


def keyword(text: str) -> Keyword | None:
    """The keyword that the whole text is, or None for conversation.

    Compared by compatibility form (NFKC), without regard to case, punctuation, symbols, the kind of space, or what is not seen.
    """
    said = folded(text)
    return None if said is None else _MEANING.get(said)


def folded(text: str) -> str | None:
    """A whole text as keywords are compared; None when it is too long to be one."""
    trimmed = text.strip()
    if len(trimmed) > _LONGEST:
        return None
    seen = trimmed if trimmed.isascii() else _UNSEEN.sub("", trimmed)
    return " ".join(_WORD.findall(unicodedata.normalize("NFKC", seen).casefold()))
