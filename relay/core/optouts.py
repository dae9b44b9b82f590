"""Who has opted somebody out, why, and who may take it back.

An opt-out that a person has sent, or that a carrier has told us of, is that person's own: only they take it back, by START. The
account may do so in two cases alone, and says which: the person has consented again in a way that it can show, or it was no
opt-out at all. Otherwise one call would undo what the law, and the carrier's own block, hold the account to. What the account has
put on the list itself it may take off.
"""

from __future__ import annotations

from enum import StrEnum


class OptOutSource(StrEnum):
    """Who says that a person has opted out."""

    PERSON = "person"  #: they sent STOP
    CARRIER = "carrier"  #: their carrier, or ours, refused a text for it
    API = "api"  #: the account
    IMPORT = "import"  #: the account, with a list


class OptOutReason(StrEnum):
    """Why the account puts somebody on the list. A word, because free text names people."""

    ASKED_OTHERWISE = "asked_otherwise"  #: by phone, by letter, in the app
    COMPLAINT = "complaint"
    WRONG_PERSON = "wrong_person"  #: the phone is somebody else's by now
    DO_NOT_CONTACT_LIST = "do_not_contact_list"  #: they are in a public register
    EARLIER_SYSTEM = "earlier_system"  #: they opted out with whatever was used before


class LiftReason(StrEnum):
    """Why the account takes back what was the person's own."""

    CONSENTED_AGAIN = "consented_again"  #: they have asked for texts, and the account can show it
    NOT_AN_OPT_OUT = "not_an_opt_out"  #: the word was none, or came from somebody else


_OWN = {OptOutSource.PERSON, OptOutSource.CARRIER}


def may_lift(source: OptOutSource, reason: LiftReason | None) -> bool:
    """Whether the account may take an opt-out back, with the reason that it gives."""
    return source not in _OWN or reason is not None
