"""``relay pools`` and ``relay numbers``."""

from __future__ import annotations

import re

import pytest

from tests.cli.command import Command
from tests.cli.conftest import Shop

pytestmark = pytest.mark.long

ADDED = re.compile(r"num_[a-z2-7]{26}  \+?\d+")


def into_default(shop: Shop) -> list[str]:
    return ["numbers", "add", "--account", "shop", "--pool", "default", "--connection", shop.connection]


def test_a_pool_is_shown_with_its_numbers_when_some_were_added(relay: Command, shop: Shop) -> None:
    made = relay("pools", "add", "--account", "shop", "nord")
    (default, nord) = relay.inside("pools", "list", "--json").document["data"]
    relay.inside(*into_default(shop), "+12025550100", "+12025550101")
    relay.inside(*into_default(shop), "+46701740606", "--reserved", "--rate", "2.5")
    shown = relay.inside("pools", "show", "--account", "shop", "default", "--json").document
    by_id = relay.inside("pools", "show", "--account", "shop", default["id"])

    assert (made.stdout.strip(), nord["name"], nord["status"]) == (nord["id"], "nord", "ready")
    assert default["account"] == "shop"
    assert shown["numbers"] == {"US": {"ready": 2}, "SE": {"reserved": 1}}
    assert (shown["headroom"], shown["open_sessions"]) == (2, 0)
    assert "numbers in SE     1 reserved\n" in by_id.stdout


def test_a_pool_requires_proofs_when_it_is_told_to(relay: Command, shop: Shop) -> None:
    required = relay("pools", "set", "--account", "shop", "default", "--require-verified")
    (strict,) = relay.inside("pools", "list", "--json").document["data"]
    relay.inside("pools", "set", "--account", "shop", strict["id"], "--no-require-verified")
    (open_to_all,) = relay.inside("pools", "list", "--json").document["data"]

    assert required.stderr == "default takes people who proved their phone\n"
    assert (strict["require_verified"], open_to_all["require_verified"]) == (True, False)


def test_a_hook_is_set_when_a_pool_s_texts_are_to_be_asked_about(relay: Command, shop: Shop) -> None:
    into = ("pools", "hook", "--account", "shop", "default")
    made = relay.inside(*into, "https://hooks.example/in", "--timeout", "2", "--on-timeout", "allow")
    again = relay.inside(*into, "https://hooks.example/in")
    (asked,) = relay.inside("pools", "list", "--json").document["data"]
    wrong = relay.inside(*into, "https://127.0.0.1/in")
    removed = relay.inside(*into, "--remove")

    assert re.fullmatch(r"whsec_[A-Za-z0-9+/=]{44}\n", made.stdout)
    assert again.stdout == ""
    assert asked["hooks"] == {"intercept": {"timeout": 3, "on_timeout": "refuse"}, "out_of_session": None}
    assert "not a public one" in wrong.refusal
    assert removed.code == 0


def test_the_others_are_added_when_some_numbers_cannot_be(relay: Command, shop: Shop) -> None:
    wrong = "+12025550199999"
    done = relay(*into_default(shop), "+12025550100", wrong, "12345", "+12025550100", "+12025550101")
    listed = relay.inside("numbers", "list", "--json").document["data"]

    assert done.code == 1
    assert [line.split()[1] for line in done.stdout.splitlines()] == ["+12025550100", "+12025550101"]
    assert all(ADDED.fullmatch(line) for line in done.stdout.splitlines())
    assert done.stderr.startswith("added 2 of 5 to the pool default\n")
    assert re.findall("relay: number ([0-9]) of 5 was not added: ", done.stderr) == ["2", "3", "4"]
    assert wrong not in done.stderr
    assert {n["number"] for n in listed} == {"+12025550100", "+12025550101"}


def test_progress_is_shown_when_numbers_are_added_on_a_terminal(relay: Command, shop: Shop) -> None:
    shown = relay.on_terminal(*into_default(shop), "+12025550100", "+12025550101")

    assert shown.code == 0
    assert "adding" in shown.stdout
    assert "added 2 of 2" in shown.stdout


def test_a_short_code_is_added_when_its_country_is_given(relay: Command, shop: Shop) -> None:
    done = relay.inside(*into_default(shop), "12345", "--country", "US")
    (number,) = relay.inside("numbers", "list", "--account", "shop", "--json").document["data"]

    assert done.code == 0
    assert "adding" not in done.stderr  # no progress bar in a pipe
    assert (number["kind"], number["country"], number["rate"]) == ("short_code", "US", 100.0)


def test_a_number_is_changed_and_goes_when_nobody_holds_it(relay: Command, shop: Shop) -> None:
    number = relay.inside(*into_default(shop), "+12025550100").stdout.split()[0]
    changed = relay("numbers", "set", number, "--state", "quarantined", "--rate", "0.5")
    (listed,) = relay.inside("numbers", "list", "--json").document["data"]
    in_use = relay.inside("connections", "remove", shop.connection)
    removed = relay.inside("numbers", "remove", number)
    none_left = relay.inside("numbers", "list")

    assert (changed.code, removed.code) == (0, 0)
    assert (listed["state"], listed["rate"], listed["account"]) == ("quarantined", 0.5, "shop")
    assert "numbers still use this connection" in in_use.refusal
    assert none_left.stdout == "id  account  number  country  kind  pool  state  rate  in use\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["pools", "show", "--account", "shop", "sud"], "no such pool"),
        (["pools", "set", "--account", "shop", "sud", "--require-verified"], "no such pool"),
        (["pools", "hook", "--account", "shop", "sud", "--remove"], "no such pool"),
        (["pools", "add", "--account", "shop", "default"], "there is a pool of this name"),
        (["numbers", "add", "--account", "shop", "--pool", "sud", "--connection", "x", "+12025550100"], "no such pool"),
        (
            ["numbers", "add", "--account", "shop", "--pool", "default", "--connection", "x", "+12025550100"],
            "no such connection",
        ),
        (["numbers", "set", "num_" + "a" * 26, "--rate", "1"], "no such number"),
    ],
)
def test_words_say_what_is_missing_when_a_name_is_unknown(
    relay: Command, shop: Shop, arguments: list[str], words: str
) -> None:
    assert words in relay.inside(*arguments).refusal


@pytest.mark.parametrize(
    "arguments",
    [
        ["pools", "add", "--account", "shop", "x" * 65],
        ["numbers", "add", "--account", "shop", "--pool", "p", "--connection", "c"],
        ["numbers", "add", "--account", "shop", "--pool", "p", "--connection", "c", "--rate", "0", "+12025550100"],
        ["numbers", "set", "num_x"],
        ["numbers", "set", "num_x", "--state", "asleep"],
        ["numbers", "set", "num_x", "--rate", "10001"],
    ],
)
def test_usage_is_refused_when_an_option_is_wrong(arguments: list[str]) -> None:
    refused = Command({}).inside(*arguments)

    assert refused.code == 2, refused
