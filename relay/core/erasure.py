"""What is not erased with a session, and why: said in every answer, so that nobody takes "erased" for more than it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from relay.core.data_class import DataClass
from relay.core.periods import MESSAGES_FOR


@dataclass(frozen=True, slots=True)
class Stays:
    """Something that is kept all the same. ``until`` None: it has no date of its own, ``why`` says when it goes."""

    what: DataClass
    why: str
    until: datetime | None = None


_COOLING = "keyed hashes of the two people, or a late text would reach a stranger"
_ON_ITS_WAY = "a text that may have left: what is known of it goes when it has ended"
_SHELL = "ids, times and the numbers used; without name, labels and metadata"

#: What an erasure never takes, whoever it is for.
ALWAYS = (
    Stays(DataClass.SUPPRESSION, "an opt-out is kept while the account exists: to forget it would be to break it"),
    Stays(
        DataClass.CARRIER_COPY,
        "what carriers call the texts that they still hold, until they have deleted them: within a day, where they can",
    ),
    Stays(DataClass.EVENT, "that something happened, without who and what: each goes 30 days after it happened"),
    Stays(
        DataClass.INBOX_KEY,
        "keyed hashes of what carriers delivered, or a repeated delivery would be taken for a new text",
    ),
    Stays(DataClass.AUDIT_TREE, "hashes under salts that are gone: they prove the log whole and tell nothing"),
)


def what_stays(*, closed_at: datetime, cooling_until: datetime | None, has_messages: bool) -> tuple[Stays, ...]:
    """What is kept of a session that was erased, for how long and why."""
    found = [Stays(DataClass.SESSION, _SHELL, closed_at + MESSAGES_FOR)]
    if cooling_until is not None:
        found.append(Stays(DataClass.PARTY_INDEX, _COOLING, cooling_until))
    if has_messages:
        found.append(Stays(DataClass.MESSAGE, _ON_ITS_WAY))
    return (*found, *ALWAYS)
