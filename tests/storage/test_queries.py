"""Query files: read into names and statements, or refused with the file's name."""

from __future__ import annotations

import pytest

from relay.storage import queries
from relay.storage.queries import load, modules, read


def test_statements_come_by_name_when_a_file_is_well_formed() -> None:
    text = """-- What this file is about,
-- in two lines.

-- name: one
-- $1 bucket
select a
  from t where bucket = $1;

-- name: two_2
-- a comment
-- in two lines
delete from t;
"""
    assert read(text, "x.sql") == {"one": "select a\n  from t where bucket = $1", "two_2": "delete from t"}


def test_comments_are_left_out_when_they_have_a_line_of_their_own() -> None:
    text = "-- name: one\n-- why\nselect a,\n-- the other; a semicolon is nothing here\n       b from t;"

    assert read(text, "x.sql") == {"one": "select a,\n       b from t"}


@pytest.mark.parametrize("text", ["", "\n\n", "-- only what it is about\n"])
def test_nothing_comes_when_a_file_holds_no_statement(text: str) -> None:
    assert read(text, "x.sql") == {}


REFUSED = {
    "a statement without a name": ("select 1;\n", "before the first"),
    "a statement before the first name": ("select 1;\n-- name: one\n-- c\nselect 2;\n", "before the first"),
    "a name in capitals": ("-- name: One\n-- c\nselect 1;\n", "before the first"),
    "a name with a dash": ("-- name: one-two\n-- c\nselect 1;\n", "before the first"),
    "a name that begins with a digit": ("-- name: 1one\n-- c\nselect 1;\n", "before the first"),
    "a name with something behind it": ("-- name: one two\n-- c\nselect 1;\n", "before the first"),
    "a bad name further down": (
        "-- name: one\n-- c\nselect 1;\n-- name: Two\n-- c\nselect 2;\n",
        "one is not exactly one",
    ),
    "a name twice": ("-- name: one\n-- c\nselect 1;\n-- name: one\n-- c\nselect 2;\n", "one stands twice"),
    "no comment": ("-- name: one\nselect 1;\n", "one has no line of comment"),
    "an empty comment": ("-- name: one\n--\nselect 1;\n", "one has no line of comment"),
    "a comment too late": ("-- name: one\nselect 1;\n-- c\n", "one has no line of comment"),
    "nothing at all": ("-- name: one\n", "one has no line of comment"),
    "a comment alone": ("-- name: one\n-- c\n", "one is not exactly one statement"),
    "no semicolon": ("-- name: one\n-- c\nselect 1\n", "one is not exactly one statement"),
    "two statements": ("-- name: one\n-- c\nselect 1; select 2;\n", "one is not exactly one statement"),
    "something behind the end": ("-- name: one\n-- c\nselect 1; select 2\n", "one is not exactly one statement"),
    "an empty statement more": ("-- name: one\n-- c\nselect 1;;\n", "one is not exactly one statement"),
}


@pytest.mark.parametrize(("text", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_a_file_is_refused_by_name_when_it_breaks_the_form(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=rf"^broken\.sql: .*{why}"):
        read(text, "broken.sql")


def test_every_file_loads_when_it_is_ours() -> None:
    assert {"outbox", "sessions", "migrate"} <= set(modules())
    assert modules() == sorted(modules())
    assert all(load(module) for module in modules())


def test_nothing_can_be_added_when_statements_are_loaded() -> None:
    loaded = load("leases")

    assert load("leases") is loaded
    with pytest.raises(TypeError):
        loaded["more"] = "select 1"  # type: ignore[index]  # that it cannot be done is the point


@pytest.mark.parametrize("module", ["no_such_file", ""])
def test_it_is_plain_when_there_is_no_such_file(module: str) -> None:
    with pytest.raises(FileNotFoundError):
        queries.load(module)
