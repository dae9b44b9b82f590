"""Keyword rules: which can be, and which word of a text finds one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from relay.core.errors import InvalidInput
from relay.core.ids import bucket_of, made_at, make_id
from relay.core.keywords import folded
from relay.core.rules import Rule, by_word, check

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)

WRONG: dict[str, tuple[list[Rule], list[tuple[str, str]]]] = {
    "nothing in it": ([Rule("!!!", event=True)], [("rules.0.keyword", "invalid")]),
    "STOP": ([Rule("JOIN", event=True), Rule("Stop!", "No.")], [("rules.1.keyword", "reserved_keyword")]),
    "STOP in another language": ([Rule("ARRÊT", "Non.")], [("rules.0.keyword", "reserved_keyword")]),
    "START": ([Rule("yes", event=True)], [("rules.0.keyword", "reserved_keyword")]),
    "HELP": ([Rule("ayuda", event=True)], [("rules.0.keyword", "reserved_keyword")]),
    "twice": ([Rule("JOIN", "Yes."), Rule("join.", "No.")], [("rules.1.keyword", "duplicate")]),
    "its own reply": ([Rule("JOIN", "Join!")], [("rules.0.reply", "invalid")]),
    "nothing comes of it": ([Rule("JOIN", "Yes."), Rule("LATER")], [("rules.1", "does_nothing")]),
}


@pytest.mark.parametrize("name", WRONG)
def test_each_wrong_rule_is_named_when_rules_are_checked(name: str) -> None:
    rules, expected = WRONG[name]
    with pytest.raises(InvalidInput) as caught:
        check(rules)

    assert [(problem.field, problem.code) for problem in caught.value.problems] == expected


def test_nothing_is_wrong_when_words_differ() -> None:
    check([Rule("JOIN", "Welcome."), Rule("opt in", event=True), Rule("1", "One.", event=True)])


def test_a_rule_is_the_same_when_its_word_and_its_pool_are() -> None:
    pool, other = (make_id(7, AT, bytes([n]) * 10) for n in (1, 2))
    known = Rule("JOIN", "Welcome.").id_in(pool)

    assert Rule("join!", event=True).id_in(pool) == known
    assert len({known, Rule("LEAVE").id_in(pool), Rule("JOIN").id_in(other)}) == 3
    assert (bucket_of(known), made_at(known)) == (7, AT)


@pytest.mark.parametrize("text", ["JOIN", " join! ", "ＪＯＩＮ", "“Join.”"])
def test_a_rule_is_found_when_its_word_is_the_whole_text(text: str) -> None:
    assert by_word([Rule("Join", "Welcome.")])[folded(text) or ""].reply == "Welcome."


@pytest.mark.parametrize("text", ["join us", "please join", "", "x" * 400])
def test_no_rule_is_found_when_more_is_said(text: str) -> None:
    assert (folded(text) or "") not in by_word([Rule("Join")])
