"""Whom an account may make us text at all: people, in the countries that it allows."""

from __future__ import annotations

from collections.abc import Set

from relay.core.errors import InvalidInput, Problem
from relay.core.phone import Phone


def refuse_destination(phone: Phone, field: str, *, is_own_number: bool, allowed: Set[str]) -> None:
    """Raises InvalidInput ``own_number`` and ``country_not_allowed``. ``allowed``: countries; empty = all."""
    if is_own_number:
        problem = Problem(field, "own_number", "this is one of our own numbers, not a person's phone")
        raise InvalidInput(problem, code="own_number")
    if allowed and phone.country not in allowed:
        problem = Problem(field, "country_not_allowed", "the account does not allow this country")
        raise InvalidInput(problem, code="country_not_allowed")
