"""``relay keys``."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from relay.cli import app
from relay.core.errors import NotAuthenticated
from relay.services.keys import Caller
from relay.wiring import open_relay
from tests.cli.command import Command
from tests.cli.conftest import Shop


def caller(shop: Shop, key: str) -> Caller:
    """Whom the API would see behind this key."""

    async def ask() -> Caller:
        async with open_relay(shop.settings, shop.settings.database_url) as house:
            return await house.keys.caller(key)

    return asyncio.run(ask())


def test_key_stands_alone_on_stdout_and_opens_the_api_until_it_is_revoked(relay: Command, shop: Shop) -> None:
    scopes = ["--scope", "sessions", "--scope", "numbers"]
    made = relay("keys", "add", "--account", "shop", "--name", "app", *scopes, "--expires-in", "3600")
    key = made.stdout.removesuffix("\n")
    known = caller(shop, key)
    before = relay("keys", "list", "--account", "shop", "--json")
    (listed,) = before.document["data"]
    revoked = relay("keys", "revoke", "--account", "shop", listed["id"])
    (after,) = relay("keys", "list", "--account", "shop", "--json").document["data"]

    assert (made.code, revoked.code) == (0, 0)
    assert (known.account.name, known.scopes) == ("shop", {"sessions", "numbers"})
    assert (listed["name"], listed["scopes"], listed["status"]) == ("app", ["numbers", "sessions"], "live")
    assert 0 < (datetime.fromisoformat(listed["expires_at"]) - datetime.now(UTC)).total_seconds() <= 3600
    assert after["status"] == "revoked"
    assert key.rsplit("_", 1)[1] not in made.stderr + before.stdout
    with pytest.raises(NotAuthenticated):
        caller(shop, key)


def test_key_is_not_found_when_it_is_none_of_the_account(relay: Command, shop: Shop) -> None:
    assert "no such key" in relay("keys", "revoke", "--account", "shop", "key_" + "a" * 26).refusal


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
    refused = CliRunner().invoke(app, ["keys", "add", "--account", "shop", *options])

    assert refused.exit_code == 2, refused.output
