"""``relay accounts``."""

from __future__ import annotations

import re

import pytest
from typer.testing import CliRunner

from relay.cli import app
from tests.cli.command import Command
from tests.cli.conftest import Shop

ID = re.compile(r"acc_[a-z2-7]{26}\n")


def test_account_is_listed_by_its_id_when_it_was_added(relay: Command) -> None:
    made = relay("accounts", "add", "The Shop")
    listed = relay("accounts", "list", "--json").document["data"]

    assert made.code == 0
    assert ID.fullmatch(made.stdout)
    assert [(a["id"], a["name"]) for a in listed] == [(made.stdout.strip(), "The Shop")]


def test_what_is_named_changes_and_the_rest_stays_when_an_account_is_set(relay: Command, shop: Shop) -> None:
    options = [
        "--programme",
        "The Shop",
        "--language",
        "sv",
        "--on-ambiguous",
        "resend",
        "--allowed-countries",
        "US,SE",
    ]
    first = relay("accounts", "set", "shop", *options, "--idle-timeout", "600", "--notice", "help=Call=us")
    second = relay("accounts", "set", "shop", "--cool-down", "7200", "--idle-timeout", "0", "--notice", "ended=Over")
    (account,) = relay("accounts", "list", "--json").document["data"]

    assert (first.code, second.code, first.stdout) == (0, 0, "")
    assert account["programme"] == "The Shop"
    assert (account["language"], account["on_ambiguous"]) == ("sv", "resend")
    assert account["allowed_countries"] == ["US", "SE"]
    assert (account["default_idle_timeout"], account["default_cool_down"]) == (None, 7200)
    assert account["notices"] == {"help": "Call=us", "ended": "Over"}
    assert account["default_expires_in"] == 86400


def test_defaults_return_when_own_notice_and_countries_are_emptied(relay: Command, shop: Shop) -> None:
    relay("accounts", "set", "shop", "--notice", "help=Ask", "--notice", "ended=Over", "--allowed-countries", "US")
    relay("accounts", "set", "shop", "--notice", "help=", "--allowed-countries", "")
    (account,) = relay("accounts", "list", "--json").document["data"]

    assert account["notices"] == {"ended": "Over"}
    assert account["allowed_countries"] == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["add", "shop"], "there is an account of this name"),
        (["set", "other", "--language", "sv"], "no account named 'other'"),
        (["set", "shop", "--language", "xx"], "language: must be one of: "),
    ],
)
def test_one_line_says_why_when_an_account_is_refused(
    relay: Command, shop: Shop, arguments: list[str], words: str
) -> None:
    assert words in relay("accounts", *arguments).refusal


@pytest.mark.parametrize(
    "arguments",
    [
        ["add", ""],
        ["add", "x" * 65],
        ["add", "two\nlines"],
        ["set", "shop"],
        ["set", "shop", "--programme", "x" * 201],
        ["set", "shop", "--help-contact", "a\tb"],
        ["set", "shop", "--on-ambiguous", "guess"],
        ["set", "shop", "--cool-down", "3599"],
        ["set", "shop", "--cool-down", "7776001"],
        ["set", "shop", "--expires-in", "59"],
        ["set", "shop", "--idle-timeout", "59"],
        ["set", "shop", "--allowed-countries", "us"],
        ["set", "shop", "--allowed-countries", "US,"],
        ["set", "shop", "--notice", "helpful=no such word"],
        ["set", "shop", "--notice", "help"],
        ["set", "shop", "--notice", "help=" + "x" * 1601],
        ["set", "shop", "--notice", "help=\x07"],
    ],
)
def test_usage_is_refused_before_anything_is_opened_when_an_option_is_wrong(arguments: list[str]) -> None:
    refused = CliRunner().invoke(
        app, ["accounts", *arguments], env={"RELAY_DATABASE_URL": "postgresql://nowhere.invalid/"}
    )

    assert refused.exit_code == 2, refused.output
