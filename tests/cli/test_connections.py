"""``relay connections``: secrets go in by stdin or a terminal, and are never seen again."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from relay.core import ids
from relay.core.ids import IdKind
from relay.vault.sealing import Sealed
from relay.wiring import Relay
from tests.cli.command import Command
from tests.cli.conftest import ACCOUNT_SID, AUTH_TOKEN, PUBLIC_URL, Shop

pytestmark = pytest.mark.long

ADD = ("connections", "add", "--account", "shop", "--provider", "twilio")
SECRET = "f00d" * 8
OTHER_SECRET = "beef=" * 6


@contextmanager
def carrier(token: str) -> Iterator[str]:
    """A simulated carrier that knows our account by this token; yields its address."""
    command = [sys.executable, "-m", "relay.sandbox.carrier", "--account-sid", ACCOUNT_SID, "--auth-token", token]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"]
        process.terminate()


def stored(shop: Shop, connection: str) -> Mapping[str, str]:
    """The credentials that the vault opens for a connection."""

    async def look(house: Relay) -> Mapping[str, str]:
        found = await house.connections.read(shop.account, ids.parse(IdKind.CONNECTION, connection))
        sealed = Sealed(found.sealed_credentials, found.key_id)
        return house.vault.credentials.open(shop.account.id, found.id, sealed)

    return shop.look(look)


def test_credentials_of_stdin_are_sealed_and_never_shown_when_a_connection_is_added(relay: Command, shop: Shop) -> None:
    lines = f"auth_token={SECRET}\n\n shared_key={OTHER_SECRET}\n"
    made = relay(*ADD, "--account-sid", ACCOUNT_SID, stdin=lines)
    connection = made.stdout.strip()
    listed = relay.inside("connections", "list", "--account", "shop", "--json")
    newest = listed.document["data"][-1]

    assert made.code == 0
    assert stored(shop, connection) == {
        "account_sid": ACCOUNT_SID,
        "auth_token": SECRET,
        "shared_key": OTHER_SECRET,
    }
    assert (newest["id"], newest["account"], newest["provider"]) == (connection, "shop", "twilio")
    for hook in ("inbound", "voice"):
        assert newest[hook] == f"{PUBLIC_URL}/hooks/{connection}/{hook}"
        assert newest[hook] in made.stderr.split()  # whole, not broken at the 80th column
    assert SECRET not in made.stderr + listed.stdout
    assert OTHER_SECRET not in made.stderr + listed.stdout


def test_secrets_are_asked_for_and_hidden_when_there_is_a_terminal(relay: Command, shop: Shop) -> None:
    answers = [SECRET, "", "SK" + "1" * 32, OTHER_SECRET, ""]  # no second auth token and no shared key
    made = relay.on_terminal(*ADD, "--account-sid", ACCOUNT_SID, typed=answers)
    connection = next(word for word in made.stdout.split() if word.startswith("con_"))

    assert made.code == 0
    assert "Auth token of that account" in made.stdout  # what the adapter says about the field
    assert "SK" + "1" * 32 in made.stdout  # not a secret
    assert SECRET not in made.stdout
    assert OTHER_SECRET not in made.stdout
    assert stored(shop, connection) == {
        "account_sid": ACCOUNT_SID,
        "auth_token": SECRET,
        "api_key_sid": "SK" + "1" * 32,
        "api_key_secret": OTHER_SECRET,
    }


@pytest.mark.parametrize(
    ("stdin", "words"),
    [
        ("", "auth_token: is needed"),
        ("auth_token=too short\n", "auth_token: does not look right"),
        (f"\n{SECRET}\n", "stdin line 2: "),
        (f"{SECRET}={SECRET}\n", "stdin line 1: "),
        (f"auth_token={SECRET}\nauth_token={SECRET}\n", "stdin line 2: "),
    ],
    ids=["nothing", "malformed", "no equals sign", "no such field", "twice"],
)
def test_a_line_is_named_and_not_repeated_when_it_cannot_be_used(
    relay: Command, shop: Shop, stdin: str, words: str
) -> None:
    refusal = relay.inside(*ADD, "--account-sid", ACCOUNT_SID, stdin=stdin).refusal

    assert words in refusal
    assert SECRET not in refusal
    assert "too short" not in refusal


@pytest.mark.parametrize("option", ["--auth-token", "--api-key-secret", "--shared-key"])
def test_a_secret_is_no_option_when_a_connection_is_added(option: str) -> None:
    refused = Command({}).inside(*ADD, option, SECRET)

    assert refused.code == 2
    assert SECRET not in refused.stdout + refused.stderr


def test_usage_is_refused_when_the_provider_is_unknown() -> None:
    refused = Command({}).inside("connections", "add", "--account", "shop", "--provider", "pigeon")

    assert refused.code == 2
    assert "twilio" in refused.stderr


def test_the_provider_is_asked_when_credentials_are_tested(relay: Command, shop: Shop) -> None:
    with carrier(AUTH_TOKEN) as url:
        works = relay.having(RELAY_CARRIER_URL=url)("connections", "test", shop.connection)
    with carrier("another token") as url:
        refused = relay.having(RELAY_CARRIER_URL=url).inside("connections", "test", shop.connection)
    silent = relay.having(RELAY_CARRIER_URL=url).inside("connections", "test", shop.connection)

    assert (works.code, works.stderr) == (0, "twilio takes these credentials\n")
    assert refused.refusal == "relay: twilio refuses these credentials"
    assert silent.refusal == "relay: the provider does not answer"


def test_a_connection_is_gone_when_it_was_removed(relay: Command, shop: Shop) -> None:
    removed = relay.inside("connections", "remove", shop.connection)
    again = relay.inside("connections", "remove", shop.connection)

    assert removed.code == 0
    assert "no such connection" in again.refusal
