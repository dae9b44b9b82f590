"""Keyword rules: which can be, and which word of a text finds one."""

from __future__ import annotations

import pytest

from relay.core.errors import InvalidInput
from relay.core.keywords import folded
from relay.core.rules import Rule, by_word, check

WRONG: dict[str, tuple[list[Rule], list[tuple[str, str]]]] = {
    "nothing in it": ([Rule("!!!")], [("rules.0.keyword", "invalid")]),
    "STOP": ([Rule("JOIN"), Rule("Stop!")], [("rules.1.keyword", "reserved_keyword")]),
    "STOP in another language": ([Rule("ARRÊT")], [("rules.0.keyword", "reserved_keyword")]),
    "START": ([Rule("yes")], [("rules.0.keyword", "reserved_keyword")]),
    "HELP": ([Rule("ayuda")], [("rules.0.keyword", "reserved_keyword")]),
    "twice": ([Rule("JOIN"), Rule("join.")], [("rules.1.keyword", "duplicate")]),
    "its own reply": ([Rule("JOIN", "Join!")], [("rules.0.reply", "invalid")]),
}


@pytest.mark.parametrize("name", WRONG)
def test_each_wrong_rule_is_named_when_rules_are_checked(name: str) -> None:
    rules, expected = WRONG[name]
    with pytest.raises(InvalidInput) as caught:
        check(rules)

    assert [(problem.field, problem.code) for problem in caught.value.problems] == expected


def test_nothing_is_wrong_when_words_differ() -> None:
    check([Rule("JOIN", "Welcome."), Rule("opt in"), Rule("1")])


@pytest.mark.parametrize("text", ["JOIN", " join! ", "ＪＯＩＮ", "“Join.”"])
def test_a_rule_is_found_when_its_word_is_the_whole_text(text: str) -> None:
    assert by_word([Rule("Join", "Welcome.")])[folded(text) or ""].reply == "Welcome."


@pytest.mark.parametrize("text", ["join us", "please join", "", "x" * 400])
def test_no_rule_is_found_when_more_is_said(text: str) -> None:
    assert (folded(text) or "") not in by_word([Rule("Join")])
