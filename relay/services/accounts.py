"""Accounts: made by the operator, changed by their owner."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from relay.core import ids
from relay.core.errors import InvalidInput, NotFound, Problem
from relay.core.notices import DEFAULT_LANGUAGE, LANGUAGES, Phrase
from relay.storage import accounts
from relay.storage.configuration import Account, Configuration
from relay.storage.database import Database, Transaction


@dataclass(frozen=True, slots=True)
class Accounts:
    database: Database
    configuration: Configuration

    async def add(self, name: str) -> Account:
        """Make an account. Raises Conflict ``account_name_taken``."""
        entropy = secrets.token_bytes(ids.ENTROPY_BYTES)
        async with self.database.transaction() as tx:
            account_id = ids.make_id(ids.fixed_bucket(entropy), tx.now, entropy)
            await accounts.add_account(tx, account_id, name)
        return (await self.configuration.refreshed()).accounts[account_id]

    async def by_name(self, name: str) -> Account:
        """Raises NotFound."""
        for account in (await self.configuration.refreshed()).accounts.values():
            if account.name == name:
                return account
        raise NotFound(f"there is no account named {name!r}: see `relay accounts list`")

    async def read(self, account_id: UUID) -> Account:
        """The account as it is stored now. Raises NotFound."""
        account = (await self.configuration.refreshed()).accounts.get(account_id)
        if account is None:
            raise NotFound
        return account

    async def change(self, account_id: UUID, changes: dict[str, Any]) -> Account:
        """Change what its owner may change. Raises InvalidInput for languages and notices that do not exist."""
        _check(changes)

        async def work(tx: Transaction) -> None:
            account = await accounts.lock_account(tx, account_id)
            if account is None:
                raise NotFound
            await accounts.change_account(tx, replace(account, **changes))

        await self.database.run(work)
        return (await self.configuration.refreshed()).accounts[account_id]


def _check(changes: dict[str, Any]) -> None:
    if changes.get("language", DEFAULT_LANGUAGE) not in LANGUAGES:
        known = ", ".join(sorted(LANGUAGES))
        raise InvalidInput(Problem("language", "unknown_language", f"must be one of: {known}"))
    if not set(changes.get("notices", ())) <= set(Phrase):
        known = ", ".join(Phrase)
        raise InvalidInput(Problem("notices", "unknown_notice", f"names must be among: {known}"))
