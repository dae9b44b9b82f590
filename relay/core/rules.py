"""Keyword rules of a pool: a text that is one of its words and nothing else is for the marketplace, not for the other person.

STOP, START and HELP in any language are not theirs to take.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from relay.core.errors import InvalidInput, Problem
from relay.core.ids import ENTROPY_BYTES, bucket_of, made_at, make_id
from relay.core.keywords import folded, keyword

MOST_RULES = 20
LONGEST_KEYWORD = 30  # characters
REPLY_AT_MOST_EVERY = timedelta(minutes=1)  # to one person, for one word on one number


@dataclass(frozen=True, slots=True)
class Rule:
    """``reply`` goes to whoever sent the word; empty = they are told nothing. ``event``: the marketplace is told that it was
    said, by an event that names the rule. At least one of the two."""

    keyword: str
    reply: str = ""
    event: bool = False

    def id_in(self, pool_id: UUID) -> UUID:
        """What events call it, for they hold no words. The same word of a pool is the same rule, whatever else of it changes."""
        word = folded(self.keyword) or ""
        named = hashlib.sha256(b"relay rule 1|" + pool_id.bytes + word.encode()).digest()
        return make_id(bucket_of(pool_id), made_at(pool_id), named[:ENTROPY_BYTES])


def by_word(rules: Sequence[Rule]) -> Mapping[str, Rule]:
    """Rules by their words as texts are compared."""
    return {folded(rule.keyword) or "": rule for rule in rules}


def check(rules: Sequence[Rule]) -> None:
    """Raises InvalidInput that names each rule that cannot be."""
    wrong: list[Problem] = []
    words: set[str] = set()
    for n, rule in enumerate(rules):
        word = folded(rule.keyword) or ""
        if not word:
            wrong.append(Problem(f"rules.{n}.keyword", "invalid", "must have a letter or a digit"))
        elif keyword(rule.keyword) is not None:
            wrong.append(Problem(f"rules.{n}.keyword", "reserved_keyword", "is a word for STOP, START or HELP"))
        elif word in words:
            wrong.append(Problem(f"rules.{n}.keyword", "duplicate", "is there twice"))
        if word and rule.reply and folded(rule.reply) == word:
            wrong.append(Problem(f"rules.{n}.reply", "invalid", "must not be the keyword: it would be answered"))
        if not rule.reply and not rule.event:
            wrong.append(Problem(f"rules.{n}", "does_nothing", "must have a reply, or event: true, or both"))
        words.add(word)
    if wrong:
        raise InvalidInput(*wrong)
