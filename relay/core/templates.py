"""Texts with variables in them: ``Your driver {driver} is {minutes} min away``. Written twice, a brace stands for itself.

A variable's value is somebody's words and personal: no error here repeats one, nor a name that was not declared, unless it
looks like the name of a variable.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from relay.core.errors import InvalidInput, Problem

LONGEST_RESULT = 1600  # characters; more than any carrier takes in one message
LONGEST_VALUE = 200  # characters
MOST_VARIABLES = 20

_NAME = re.compile(r"[a-z][a-z_]{0,31}")  # no digits: they could be a phone's
_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+")


@dataclass(frozen=True, slots=True)
class Words:
    """A piece of a template that stands as it is."""

    text: str


@dataclass(frozen=True, slots=True)
class Variable:
    """A piece of a template that a value takes the place of."""

    name: str


@dataclass(frozen=True, slots=True)
class Template:
    """A template that can be rendered. Made by ``parse``."""

    pieces: tuple[Words | Variable, ...]

    @property
    def variables(self) -> tuple[str, ...]:
        """The names that a value is needed for, in the order in which they first stand in the text."""
        return tuple(dict.fromkeys(p.name for p in self.pieces if isinstance(p, Variable)))


def parse(text: str) -> Template:
    """Read a template.

    Raises InvalidInput for ``text``: ``brace_alone`` for a brace without its other, ``variable_invalid`` for a name that is none,
    ``too_many_variables`` for more than 20.
    """
    template = Template(tuple(_pieces(text)))
    if len(template.variables) > MOST_VARIABLES:
        raise InvalidInput(Problem("text", "too_many_variables", f"must have at most {MOST_VARIABLES} variables"))
    return template


def _pieces(text: str) -> Iterator[Words | Variable]:
    for piece in _PIECE.finditer(text):
        found, name = piece[0], piece[1]
        if found in ("{", "}"):
            message = "has a brace without its other; to write a brace, write it twice"
            raise InvalidInput(Problem("text", "brace_alone", message))
        if name is None:
            yield Words(found[0] if found in ("{{", "}}") else found)
        elif _NAME.fullmatch(name):
            yield Variable(name)
        else:
            message = "has a variable whose name is none: up to 32 small letters and underscores, a letter first"
            raise InvalidInput(Problem("text", "variable_invalid", message))


def render(template: Template, values: Mapping[str, str]) -> str:
    """Put values into their places.

    Raises InvalidInput that names each variable which is missing, unknown, empty, longer than 200 characters or more than one
    printable line, and ``template`` where the whole is longer than 1600 characters.
    """
    wanted = template.variables
    problems = [_problem(name, "missing", "is required by this template") for name in wanted if name not in values]
    unknown = dict.fromkeys(_shown(name) for name in values if name not in wanted)
    problems += [_problem(name, "unknown_variable", "is not a variable of this template") for name in unknown]
    problems += [found for name in wanted if name in values for found in _wrong(name, values[name])]
    if problems:
        raise InvalidInput(*problems)
    said = "".join(p.text if isinstance(p, Words) else values[p.name] for p in template.pieces)
    if len(said) > LONGEST_RESULT:
        message = f"becomes longer than {LONGEST_RESULT} characters with these variables"
        raise InvalidInput(Problem("template", "too_long", message))
    return said


def _wrong(name: str, value: str) -> Iterator[Problem]:
    """What is wrong with one value."""
    if not value.strip():
        yield _problem(name, "empty", "must not be empty")
    elif len(value) > LONGEST_VALUE:
        yield _problem(name, "too_long", f"must be at most {LONGEST_VALUE} characters")
    elif not value.isprintable():
        yield _problem(name, "control_characters", "must not contain control characters or line breaks")


def _problem(name: str, code: str, message: str) -> Problem:
    return Problem(f"variables.{name}", code, message)


def _shown(name: str) -> str:
    """A name that was not asked for, if it looks like one: a caller may have sent a phone as a name."""
    return name if _NAME.fullmatch(name) else "?"
