"""``relay keys``."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from relay.core.errors import NotAuthenticated
from relay.core.model import Scope
from tests.cli.command import Command
from tests.cli.conftest import PUBLIC_URL, Shop

ADD = ("keys", "add", "--account", "shop")


def test_key_stands_alone_on_stdout_and_opens_the_api_until_it_is_revoked(relay: Command, shop: Shop) -> None:
    scopes = ["--scope", "sessions", "--scope", "numbers"]
    made = relay(*ADD, "--name", "app", *scopes, "--expires-in", "3600")
    key = made.stdout.removesuffix("\n")
    caller = shop.look(lambda house: house.keys.caller(key))
    before = relay("keys", "list", "--account", "shop", "--json")
    (listed,) = before.document["data"]
    revoked = relay.inside("keys", "revoke", "--account", "shop", listed["id"])
    (after,) = relay.inside("keys", "list", "--account", "shop", "--json").document["data"]

    assert (made.code, revoked.code) == (0, 0)
    assert (caller.account.name, caller.scopes) == ("shop", frozenset({Scope.SESSIONS, Scope.NUMBERS}))
    assert (listed["name"], listed["scopes"], listed["status"]) == ("app", ["numbers", "sessions"], "live")
    assert 0 < (datetime.fromisoformat(listed["expires_at"]) - datetime.now(UTC)).total_seconds() <= 3600
    assert after["status"] == "revoked"
    assert key.split("_", 2)[2] not in made.stderr + before.stdout
    with pytest.raises(NotAuthenticated):
        shop.look(lambda house: house.keys.caller(key))


def test_a_link_stands_alone_on_stdout_and_lets_somebody_into_the_console_once(relay: Command, shop: Shop) -> None:
    made = relay("keys", "link", "--account", "shop")
    address, _, secret = made.stdout.removesuffix("\n").partition("#")
    holder = shop.look(lambda house: house.keys.follow(secret))
    (listed,) = relay.inside("keys", "list", "--account", "shop", "--json").document["data"]

    assert (made.code, address) == (0, f"{PUBLIC_URL}/console/login")
    assert (holder.account.name, holder.scopes) == ("shop", frozenset({Scope.AUDIT}))
    assert (listed["name"], listed["scopes"], listed["status"]) == ("console", ["audit"], "live")
    assert secret.split("_", 2)[2] not in made.stderr
    with pytest.raises(NotAuthenticated):
        shop.look(lambda house: house.keys.follow(secret))


def test_key_is_not_found_when_it_is_none_of_the_account(relay: Command, shop: Shop) -> None:
    assert "no such key" in relay.inside("keys", "revoke", "--account", "shop", "key_" + "a" * 26).refusal


@pytest.mark.parametrize(
    "options",
    [
        ["--name", "app"],
        ["--name", "app", "--scope", "everything"],
        ["--name", "", "--scope", "sessions"],
        ["--name", "app", "--scope", "sessions", "--expires-in", "0"],
    ],
)
def test_usage_is_refused_when_a_key_would_be_useless(options: list[str]) -> None:
    refused = Command({}).inside(*ADD, *options)

    assert refused.code == 2, refused
