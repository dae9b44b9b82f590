"""``relay accounts``."""

from __future__ import annotations

import re

import pytest

from relay.storage.configuration import Account
from tests.cli.command import Command
from tests.cli.conftest import Shop

pytestmark = pytest.mark.long

ID = re.compile(r"acc_[a-z2-7]{26}\n")


def stored(shop: Shop) -> Account:
    return shop.look(lambda house: house.accounts.by_name("shop"))


def test_account_is_listed_by_its_id_when_it_was_added(relay: Command) -> None:
    made = relay("accounts", "add", "The Shop")
    listed = relay("accounts", "list", "--json").document["data"]

    assert made.code == 0
    assert ID.fullmatch(made.stdout)
    assert [(a["id"], a["name"]) for a in listed] == [(made.stdout.strip(), "The Shop")]


def test_what_is_named_changes_and_the_rest_stays_when_an_account_is_set(relay: Command, shop: Shop) -> None:
    words = ["--programme", "The Shop", "--help-contact", "shop.example", "--language", "sv"]
    rules = ["--on-ambiguous", "resend", "--allowed-countries", "US,SE", "--expires-in", "60", "--idle-timeout", "600"]
    rules += ["--daily-cap", "5000"]
    done = relay("accounts", "set", "shop", *words, *rules, "--notice", "help=Call=us", "--notice", "ended=Over")
    account = stored(shop)

    assert (done.code, done.stdout) == (0, "")
    assert (account.programme, account.help_contact, account.language) == ("The Shop", "shop.example", "sv")
    assert (account.on_ambiguous, account.allowed_countries) == ("resend", ("US", "SE"))
    assert (account.default_expires_in, account.default_idle_timeout) == (60, 600)
    assert (account.default_cool_down, account.daily_cap) == (shop.account.default_cool_down, 5000)
    assert account.notices == {"help": "Call=us", "ended": "Over"}


def test_defaults_return_when_own_words_and_limits_are_emptied(relay: Command, shop: Shop) -> None:
    notices = ("--notice", "help=Ask", "--notice", "ended=Over")
    relay.inside(
        "accounts", "set", "shop", *notices, "--allowed-countries", "US", "--idle-timeout", "60", "--daily-cap", "1"
    )
    cleared = ("--notice", "help=", "--allowed-countries", "", "--idle-timeout", "0", "--daily-cap", "none")
    done = relay.inside("accounts", "set", "shop", *cleared, "--cool-down", "7200")
    account = stored(shop)

    assert done.code == 0
    assert account.notices == {"ended": "Over"}
    assert (account.allowed_countries, account.default_idle_timeout) == ((), None)
    assert (account.default_cool_down, account.daily_cap) == (7200, None)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["add", "shop"], "there is an account of this name"),
        (["set", "other", "--language", "sv"], "no account named 'other'"),
        (["set", "shop", "--language", "xx"], "language: must be one of: "),
    ],
)
def test_words_say_why_when_an_account_is_refused(relay: Command, shop: Shop, arguments: list[str], words: str) -> None:
    assert words in relay.inside("accounts", *arguments).refusal


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
        ["set", "shop", "--daily-cap", "-1"],
        ["set", "shop", "--daily-cap", "many"],
        ["set", "shop", "--notice", "help=" + "x" * 1601],
        ["set", "shop", "--notice", "help=\x07"],
    ],
)
def test_usage_is_refused_before_anything_is_opened_when_an_option_is_wrong(arguments: list[str]) -> None:
    refused = Command({"RELAY_DATABASE_URL": "postgresql://nowhere.invalid/"}).inside("accounts", *arguments)

    assert refused.code == 2, refused
