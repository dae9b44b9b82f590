"""How listings look: on a terminal, in a pipe, as JSON."""

from __future__ import annotations

import json

import pytest

from relay.cli.printing import aligned, print_facts, print_listing
from tests.cli.command import Command
from tests.cli.conftest import Shop

DOCUMENTS = [
    {"id": "pool_1", "name": "größer [bold]", "kinds": ["a", "b"], "ready": True, "hidden": 1},
    {"id": "pool_22", "name": "", "kinds": [], "ready": False, "hidden": 2},
]


def test_columns_are_aligned_when_cells_differ_in_width() -> None:
    assert aligned([["id", "name"], ["1", "long one"], ["22", ""]]) == "id  name\n1   long one\n22"


def test_fields_become_words_when_stdout_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_listing(DOCUMENTS, columns=("id", "name", "kinds", "ready"), as_json=False)

    assert capsys.readouterr().out.splitlines() == [
        "id       name           kinds  ready",
        "pool_1   größer [bold]  a,b    yes",
        "pool_22  -              -      no",
    ]


def test_documents_are_whole_when_json_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    print_listing(DOCUMENTS, columns=("id",), as_json=True)

    assert json.loads(capsys.readouterr().out) == {"data": DOCUMENTS}


def test_each_field_has_a_line_when_one_document_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    print_facts({"open_sessions": 3, "expires_at": None}, as_json=False)

    assert capsys.readouterr().out == "open sessions  3\nexpires at     -\n"


def test_a_table_with_colour_is_drawn_when_stdout_is_a_terminal(relay: Command, shop: Shop) -> None:
    on_terminal = relay.on_terminal("pools", "list").stdout
    in_a_pipe = relay.inside("pools", "list").stdout

    assert "\x1b[1m" in on_terminal
    assert "─" in on_terminal
    assert "\x1b" not in in_a_pipe
    assert in_a_pipe.splitlines()[0].split() == [
        "id",
        "account",
        "name",
        "status",
        "require",
        "verified",
        "created",
        "at",
    ]
    pool = in_a_pipe.splitlines()[1].split()[0]
    assert pool in on_terminal  # not cut short
