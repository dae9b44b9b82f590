"""STOP, START, HELP and the words that carriers take for them, by language.

A keyword is the whole text: one word, or one of the few fixed phrases, and nothing else but spaces, punctuation and
symbols around it. "stop at the corner" is conversation. What follows from a keyword is decided elsewhere; YES, for
instance, is a START word here and an ordinary answer from anybody who has not opted out.

The danger lies on both sides: a word missed keeps texting somebody who said stop, and a word too many silences a
person in mid-conversation. So a word is listed only if a regulator, a carrier rule book or a provider reads it that
way, and in the spelling given there.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from enum import StrEnum


class Keyword(StrEnum):
    """What a person asks of Relay itself."""

    STOP = "stop"
    START = "start"
    HELP = "help"


# Sources, by line:
# en  47 CFR 64.1200(a)(10); CTIA; the default lists of Twilio and Telnyx
# fr  the French words of Canadian programmes, as AWS End User Messaging and Twilio Proxy take them; and ARRET as it is
#     properly written
# es  Twilio's standards for Spanish short codes
# pt  the defaults of Sinch's Conversation API
# sv  the code of conduct of the Swedish operators (MORGAN); Norwegian and German people spell it so too
# Left out on purpose, because people say them to each other: Spanish "para" and "baja", French "arrête" with its
# accent, German "Ende".
_STOP: Mapping[str, tuple[str, ...]] = {
    "en": ("stop", "stop all", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "opt out", "optout"),
    "fr": ("arret", "arrêt", "arrete", "arrett"),
    "es": ("alto",),
    "pt": ("parar",),
    "sv": ("stopp",),
}
# Source: Twilio's default list, which is English alone.
_START: Mapping[str, tuple[str, ...]] = {
    "en": ("start", "unstop", "yes"),
}
# Sources, by line:
# en  CTIA; Twilio's default list
# fr  what AWS End User Messaging requires of Canadian programmes, beside INFO
# es  Twilio's standards for Spanish short codes
_HELP: Mapping[str, tuple[str, ...]] = {
    "en": ("help", "info"),
    "fr": ("aide",),
    "es": ("ayuda",),
}

_MEANING = {
    phrase: meaning
    for meaning, languages in ((Keyword.STOP, _STOP), (Keyword.START, _START), (Keyword.HELP, _HELP))
    for phrases in languages.values()
    for phrase in phrases
}

_WORD = re.compile(r"[^\W_]+")

# One SMS part. A keyword fits with all the punctuation anybody types, and normalising a hostile text of combining
# marks takes time that grows with the square of its length.
_LONGEST = 160


def keyword(text: str) -> Keyword | None:
    """The keyword that the whole text is, or None for conversation.

    Compared by compatibility form (NFKC), without regard to case, punctuation, symbols or the kind of space.
    """
    trimmed = text.strip()
    if len(trimmed) > _LONGEST:
        return None
    folded = unicodedata.normalize("NFKC", trimmed).casefold()
    return _MEANING.get(" ".join(_WORD.findall(folded)))
