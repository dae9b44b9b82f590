"""Templates: what is one, what it becomes with its variables, and what is said of those that do not fit."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.core.errors import InvalidInput
from relay.core.templates import parse, render

READ = {
    "no variable": ("We are late.", ()),
    "two": ("Your driver {driver} is {minutes} min away", ("driver", "minutes")),
    "the same twice": ("{a} and {b} and {a}", ("a", "b")),
    "nothing but one": ("{a}", ("a",)),
    "side by side": ("{a}{b}", ("a", "b")),
    "braces that stand for themselves": ("{{a}}", ()),
    "a variable in braces": ("{{{a}}}", ("a",)),
    "the longest name": (f"{{{'a' * 32}}}", ("a" * 32,)),
    "twenty": ("".join(f"{{{chr(97 + n)}}}" for n in range(20)), tuple(chr(97 + n) for n in range(20))),
}


@pytest.mark.parametrize(("text", "variables"), READ.values(), ids=READ.keys())
def test_the_variables_of_a_template_are_known_when_it_is_read(text: str, variables: tuple[str, ...]) -> None:
    assert parse(text).variables == variables


NONE = {
    "a brace that opens": ("a { b", "brace_alone"),
    "a brace that closes": ("a } b", "brace_alone"),
    "open at the end": ("min {", "brace_alone"),
    "never closed": ("{driver is near", "brace_alone"),
    "closed in the middle of three": ("{{a}", "brace_alone"),
    "empty": ("{}", "variable_invalid"),
    "blank": ("{ }", "variable_invalid"),
    "with blanks": ("{ driver }", "variable_invalid"),
    "capitals": ("{Driver}", "variable_invalid"),
    "digits": ("{a12025550177}", "variable_invalid"),
    "an underscore first": ("{_a}", "variable_invalid"),
    "too long a name": (f"{{{'a' * 33}}}", "variable_invalid"),
    "attribute": ("{driver.name}", "variable_invalid"),
    "format": ("{minutes:02}", "variable_invalid"),
    "line break": ("{a\n}", "variable_invalid"),
    "twenty-one": ("".join(f"{{{chr(97 + n)}}}" for n in range(21)), "too_many_variables"),
}


@pytest.mark.parametrize(("text", "code"), NONE.values(), ids=NONE.keys())
def test_a_text_is_refused_when_it_is_no_template(text: str, code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse(text)

    assert [(p.field, p.code) for p in refused.value.problems] == [("text", code)]


BECOMES = {
    "two": (
        "Your driver {driver} is {minutes} min away",
        {"driver": "Ada", "minutes": "5"},
        "Your driver Ada is 5 min away",
    ),
    "no variable": ("We are late.", {}, "We are late."),
    "braces": ("{{{a}}} {{b}}", {"a": "x"}, "{x} {b}"),
    "a value with braces is no template": ("{a}", {"a": "{b} {{ }"}, "{b} {{ }"),
    "twice": ("{a}{a}", {"a": "ha"}, "haha"),
    "the longest value": ("{a}", {"a": "é" * 200}, "é" * 200),
    "just long enough": ("x" * 1599 + "{a}", {"a": "y"}, "x" * 1599 + "y"),
    "line breaks of the template": ("Hi {a}\nBye", {"a": "Bo"}, "Hi Bo\nBye"),
}


@pytest.mark.parametrize(("text", "values", "said"), BECOMES.values(), ids=BECOMES.keys())
def test_values_take_the_places_of_their_variables(text: str, values: dict[str, str], said: str) -> None:
    assert render(parse(text), values) == said


WRONG = {
    "missing": ("{a} {b}", {"a": "x"}, [("variables.b", "missing")]),
    "all missing": ("{a} {b}", {}, [("variables.a", "missing"), ("variables.b", "missing")]),
    "unknown": ("{a}", {"a": "x", "c": "y"}, [("variables.c", "unknown_variable")]),
    "a phone as a name": ("hi", {"+12025550177": "y"}, [("variables.?", "unknown_variable")]),
    "empty": ("{a}", {"a": ""}, [("variables.a", "empty")]),
    "blank": ("{a}", {"a": " \t"}, [("variables.a", "empty")]),
    "too long": ("{a}", {"a": "x" * 201}, [("variables.a", "too_long")]),
    "a line break": ("{a}", {"a": "x\ny"}, [("variables.a", "control_characters")]),
    "a tab": ("{a}", {"a": "x\ty"}, [("variables.a", "control_characters")]),
    "nothing at all": ("{a}", {"a": "x\x00"}, [("variables.a", "control_characters")]),
    "from right to left": ("{a}", {"a": "x\u202e"}, [("variables.a", "control_characters")]),
    "several": (
        "{a} {b}",
        {"a": "", "c": "y"},
        [("variables.b", "missing"), ("variables.c", "unknown_variable"), ("variables.a", "empty")],
    ),
    "too long together": ("x" * 1600 + "{a}", {"a": "y"}, [("template", "too_long")]),
}  # fmt: skip


@pytest.mark.parametrize(("text", "values", "problems"), WRONG.values(), ids=WRONG.keys())
def test_the_variable_is_named_and_its_value_is_not_when_it_does_not_fit(
    text: str, values: dict[str, str], problems: list[tuple[str, str]]
) -> None:
    with pytest.raises(InvalidInput) as refused:
        render(parse(text), values)

    assert [(p.field, p.code) for p in refused.value.problems] == problems
    assert not any(len(value) > 2 and value in str(refused.value) for value in (*values, *values.values()))


@settings(deadline=None)
@given(st.text(max_size=100))
def test_any_text_comes_out_as_it_is_when_its_braces_are_doubled(text: str) -> None:
    assert render(parse(text.replace("{", "{{").replace("}", "}}")), {}) == text


@settings(deadline=None)
@given(st.text(alphabet="{}ab_ ", max_size=12))
def test_nothing_but_a_refusal_is_raised_when_reading_garbage(text: str) -> None:
    try:
        found = parse(text)
    except InvalidInput:
        return

    assert render(found, dict.fromkeys(found.variables, "v")) is not None
