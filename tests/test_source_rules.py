"""How the code is written, as far as reading can tell: nothing mocked, no rule switched off in silence, nothing overlong."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator

import pytest

from tests.purity_rules import nameless
from tests.python_source import Rule, Source, at, imports, sources

LONGEST_FILE = 350  # lines; 300 is the aim
LONGEST_FUNCTION = 50  # lines with signature and docstring; 30 is the aim

RELAY, TESTS = sources("relay"), sources("tests")

_OFF = re.compile(r"noqa|type:\s*ignore|pragma:\s*no|ruff:|mypy:", re.IGNORECASE)
_MARK = r"(?:noqa: [A-Z]+\d+(?:, [A-Z]+\d+)*|type: ignore\[[a-z-]+(?:, ?[a-z-]+)*\]|pragma: no (?:cover|branch))"
_OFF_FOR_A_REASON = re.compile(rf"# {_MARK}(?:  # {_MARK})*(?: --? |  # )(?!{_MARK}).*\w{{3,}}.*")


# Setting the environment for a test is no change of behaviour.
_PATCHES = {f"monkeypatch.{name}" for name in ("setattr", "delattr", "setitem", "delitem")}


def _mocked(source: Source) -> Iterator[str]:
    for found in imports(source):
        if found.is_within("unittest", "mock", "pytest_mock"):
            yield f"{found.line} imports {found.name}"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.arg) and node.arg == "mocker":
            yield f"{node.lineno} asks for {node.arg}"
        if isinstance(node, ast.Attribute) and ast.unparse(node) in _PATCHES:
            yield f"{node.lineno} changes what code does"


def _in_silence(source: Source) -> Iterator[str]:
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if (
            token.type == tokenize.COMMENT
            and _OFF.search(token.string)
            and not _OFF_FOR_A_REASON.fullmatch(token.string)
        ):
            yield f"{token.start[0]} {token.string}"


def _long_file(source: Source) -> Iterator[str]:
    lines = source.text.count("\n")
    if lines > LONGEST_FILE:
        yield f"1 has {lines} lines"


def _long_function(source: Source) -> Iterator[str]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > LONGEST_FUNCTION:
                yield f"{node.lineno} {node.name} has {lines} lines"


_BODY = "    x = 1\n"
# Put together, so that the rule does not find them in this file's own comments.
_IGNORE, _NOQA, _COVER = "# type: " + "ignore", "# no" + "qa", "# pragma: no " + "cover"

OF_ALL = (
    Rule(
        "nothing is mocked",
        "a stand-in inside says that a decision is stuck to an effect; stand-ins belong to the edge",
        _mocked,
        [
            *at(
                "tests/test_x.py",
                "from unittest.mock import patch",
                "import unittest.mock as m",
                "from unittest import mock",
            ),
            *at("tests/test_x.py", "import mock", "def test_x(mocker): ...", "monkeypatch.setattr(time, 'time', 0)"),
        ],
        at(
            "tests/test_x.py",
            "monkeypatch.setenv('X', 'y')",
            "import httpx\nhttpx.MockTransport(handler)",
            "def test_mock_when_x(): ...",
        ),
    ),
    Rule(
        "no rule is switched off in silence",
        "who reads the line must see why it is an exception; which rule it is must be named, so that others stay on",
        _in_silence,
        [
            *at(
                "relay/x.py",
                f"x = 1  {_NOQA}",
                f"x = 1  {_NOQA}: S105",
                f"x = 1  {_NOQA}: S105 -",
                f"x = 1  {_NOQA}: S105 - x",
            ),
            *at("relay/x.py", f"x = 1  {_IGNORE}", f"x = 1  {_IGNORE}[misc]", f"x = 1  {_IGNORE} # because of it"),
            *at(
                "relay/x.py",
                f"x = 1  {_COVER}",
                f"x = 1  {_NOQA} - because of it",
                "# ruff: noqa",
                "# mypy: ignore-errors",
            ),
            *at("relay/x.py", f"x = 1  {_IGNORE}[misc]  {_NOQA}: S105"),
        ],
        [
            *at("relay/x.py", f"x = 1  {_NOQA}: S105 - the purpose's name", f"x = 1  {_NOQA}: S105, S106 -- the same"),
            *at("relay/x.py", f"x = 1  {_IGNORE}[misc]  # a loop variable", f"x = 1  {_COVER} - another platform"),
            *at("relay/x.py", f"x = 1  {_IGNORE}[misc]  {_NOQA}: S105 - a name, and a loop variable"),
            *at("relay/x.py", f"x = '{_NOQA}'", f'"""{_IGNORE}"""'),
        ],
    ),
    Rule(
        "every module is named for what is in it",
        "what has no name of its own collects what has no place of its own",
        nameless,
        at("tests/storage/helpers.py", ""),
    ),
)

OF_RELAY = (
    Rule(
        "no file is overlong",
        "beyond one idea a file is read by searching",
        _long_file,
        at("relay/x.py", "\n" * (LONGEST_FILE + 1)),
        at("relay/x.py", "\n" * LONGEST_FILE),
    ),
    Rule(
        "no function is overlong",
        "what does not fit on a screen is not checked by reading",
        _long_function,
        [
            *at("relay/x.py", "def f():\n" + _BODY * LONGEST_FUNCTION, "async def f():\n" + _BODY * LONGEST_FUNCTION),
            *at("relay/x.py", "class C:\n    def f(self):\n" + f"    {_BODY}" * LONGEST_FUNCTION),
        ],
        at("relay/x.py", "def f():\n" + _BODY * (LONGEST_FUNCTION - 1), "class C:\n" + _BODY * 99),
    ),
)


@pytest.mark.parametrize("rule", OF_ALL, ids=lambda rule: rule.name)
def test_a_rule_is_kept_when_everything_is_read(rule: Rule) -> None:
    assert rule.findings([*RELAY, *TESTS]) == [], rule.reason


@pytest.mark.parametrize("rule", OF_RELAY, ids=lambda rule: rule.name)
def test_a_rule_is_kept_when_all_of_relay_is_read(rule: Rule) -> None:
    assert rule.findings(RELAY) == [], rule.reason


@pytest.mark.parametrize(
    ("rule", "source"), [pytest.param(rule, bad, id=rule.name) for rule in (*OF_ALL, *OF_RELAY) for bad in rule.bad]
)
def test_a_breach_is_found_when_a_source_breaks_the_rule(rule: Rule, source: Source) -> None:
    assert rule.findings([source]), source.text


@pytest.mark.parametrize(
    ("rule", "source"), [pytest.param(rule, good, id=rule.name) for rule in (*OF_ALL, *OF_RELAY) for good in rule.good]
)
def test_no_breach_is_found_when_a_source_keeps_the_rule(rule: Rule, source: Source) -> None:
    assert rule.findings([source]) == []
