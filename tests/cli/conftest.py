"""A production installation without a server running: a database, a keyring, and the command line over both."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from relay.core.ids import IdKind, Seed, public
from relay.settings import Settings
from relay.storage.configuration import Account
from relay.vault import keyring, keyring_file
from relay.wiring import Relay, open_relay
from tests.cli.command import Command

ACCOUNT_SID = "AC" + "c" * 32
AUTH_TOKEN = "7e57" * 8
PUBLIC_URL = "https://relay.of-a-company-with-a-name.example/under/a/path"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shop:
    """The account ``shop`` with a connection and the empty pool ``default``."""

    settings: Settings
    account: Account
    connection: str

    def look(self, work: Callable[[Relay], Awaitable[T]]) -> T:
        """Look into the installation from this process."""

        async def main() -> T:
            async with open_relay(self.settings, self.settings.database_url) as house:
                return await work(house)

        return asyncio.run(main())


@pytest.fixture
def relay(dsn: str, tmp_path: Path) -> Command:
    """The command line over a fresh migrated database."""
    path = tmp_path / "keyring.json"
    keyring_file.save_new(keyring.make(), path)
    return Command(
        {
            "RELAY_DATABASE_URL": dsn,
            "RELAY_DATA_DIR": str(tmp_path / "none"),
            "RELAY_KEYRING": str(path),
            "RELAY_PUBLIC_URL": PUBLIC_URL,
        }
    )


@pytest.fixture
def settings(relay: Command) -> Settings:
    """The same installation for use inside the test's process."""
    given = {name.removeprefix("RELAY_").lower(): value for name, value in relay.settings.items()}
    return Settings.model_validate(given)


@pytest.fixture
def shop(settings: Settings) -> Shop:
    """Made without the command line, because every command costs most of a second."""

    async def make() -> Shop:
        async with open_relay(settings, settings.database_url) as house:
            account = await house.accounts.add("shop")
            credentials = {"account_sid": ACCOUNT_SID, "auth_token": AUTH_TOKEN}
            connection = await house.connections.add(account, "twilio", credentials, await _seed(house, 1))
            await house.pools.add(account, "default", await _seed(house, 2))
            return Shop(settings, account, public(IdKind.CONNECTION, connection.id))

    return asyncio.run(make())


async def _seed(house: Relay, serial: int) -> Seed:
    return Seed(await house.database.now(), serial.to_bytes(10, "big"))
