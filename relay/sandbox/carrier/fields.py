"""Strict reading of the JSON documents that the carrier's control surface takes.

A document is read by a table of readers, one per field, so that an unknown or ill-formed field is named instead of
ignored: a misspelt fault that silently does nothing would make a test pass for the wrong reason. No state and no HTTP
here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from relay.sandbox.carrier.texts import is_e164

Reader = Callable[[object], Any]


class BadField(Exception):
    """A control document is wrong at `field`; `problem` says what would be right."""

    def __init__(self, field: str, problem: str) -> None:
        self.field = field
        self.problem = problem
        super().__init__(f"{field}: {problem}")


def read_fields(document: object, readers: Mapping[str, Reader]) -> dict[str, Any]:
    """Read the fields that `document` names; raise `BadField` for an unknown or ill-formed one.

    A reader raises `ValueError` with the words that complete "must be ...".
    """
    if not isinstance(document, dict):
        raise BadField("body", "must be a JSON object")
    values = {}
    for name, value in document.items():
        if name not in readers:
            raise BadField(str(name), f"unknown field; known are {', '.join(sorted(readers))}")
        try:
            values[name] = readers[name](value)
        except ValueError as error:
            raise BadField(name, f"must be {error}") from None
    return values


def number_between(low: float, high: float) -> Reader:
    """A reader of numbers within `low` and `high`, both included."""

    def read(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ValueError(f"a number between {low} and {high}")
        return value

    return read


def whole_number(value: object) -> int:
    """Read an integer that is not negative."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("a whole number, not negative")
    return value


def flag(value: object) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def words(value: object) -> str:
    """Read a string that can be written as UTF-8: JSON can smuggle in lone surrogates, which cannot."""
    if not isinstance(value, str) or any("\ud800" <= char <= "\udfff" for char in value):
        raise ValueError("a string of Unicode characters")
    return value


def phone(value: object) -> str:
    """Read a phone or number in E.164."""
    if not isinstance(value, str) or not is_e164(value):
        raise ValueError("a number in E.164 form")
    return value


def phones(value: object) -> frozenset[str]:
    """Read a list of E.164 numbers."""
    if not isinstance(value, list):
        raise ValueError("a list of numbers in E.164 form")
    return frozenset(phone(item) for item in value)


def codes_by_phone(value: object) -> dict[str, int]:
    """Read an object of E.164 number to error code."""
    if not isinstance(value, dict):
        raise ValueError("an object of number to error code")
    return {phone(key): whole_number(code) for key, code in value.items()}


def web_address(value: object) -> str:
    """Read an absolute http or https URL."""
    if not isinstance(value, str) or not is_web_address(value):
        raise ValueError("an http or https URL")
    return value


def is_web_address(value: str) -> bool:
    """Whether `value` is an absolute http or https URL with a host and, if any, a usable port."""
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
