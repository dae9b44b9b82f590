"""Hooks of pools as their owner sees them: an address goes in and never comes out, a secret is shown once."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from relay.core import signing
from relay.core.customer_url import CustomerUrl
from relay.core.hooks import HookKind, HookSettings, OnTimeout, check_timeout
from relay.storage import hooks
from relay.storage.configuration import Configuration, Pool
from relay.storage.database import Database, Transaction
from relay.storage.hooks import Hook
from relay.vault.sealing import Sealed
from relay.vault.vault import Vault


@dataclass(frozen=True, slots=True)
class HookWanted:
    """A hook as somebody asks for it."""

    kind: HookKind
    url: CustomerUrl
    timeout: int
    on_timeout: OnTimeout


@dataclass(frozen=True, slots=True)
class Hooks:
    """``http_allowed``: addresses of this machine over plain http will do; for trials."""

    database: Database
    configuration: Configuration
    vault: Vault
    http_allowed: bool

    def read(self, kind: HookKind, url: str, timeout: int, on_timeout: OnTimeout) -> HookWanted:
        """Raises InvalidInput."""
        field = f"hooks.{kind}"
        address = CustomerUrl.parse(url, f"{field}.url", http_allowed=self.http_allowed)
        return HookWanted(kind, address, check_timeout(timeout, f"{field}.timeout"), on_timeout)

    async def set(self, pool: Pool, wanted: HookWanted) -> str | None:
        """Give a pool a hook, or change it. Returns the secret of a new one; one that is changed keeps its own."""
        made = await self.database.run(partial(self._store, pool, wanted))
        await self.configuration.refreshed()
        return made

    async def remove(self, pool: Pool, kind: HookKind) -> None:
        """Ask nobody any more. What waits for an answer leaves without one."""
        await self.database.run(lambda tx: hooks.remove(tx, pool.id, kind))
        await self.configuration.refreshed()

    async def _store(self, pool: Pool, wanted: HookWanted, tx: Transaction) -> str | None:
        current = await hooks.lock(tx, pool.id, wanted.kind)
        hook_id = current.id if current else tx.new_id(pool.bucket)
        fresh = signing.secret_of(secrets.token_bytes(signing.SECRET_BYTES))
        secret = self._settings(current).secret if current else fresh
        sealed = self.vault.hooks.seal(pool.account_id, hook_id, HookSettings(wanted.url.text, secret))
        await hooks.store(tx, _hook(hook_id, pool, wanted, sealed, tx))
        return None if current else fresh

    def _settings(self, hook: Hook) -> HookSettings:
        return self.vault.hooks.open(hook.account_id, hook.id, Sealed(hook.sealed_settings, hook.key_id))


def _hook(hook_id: UUID, pool: Pool, wanted: HookWanted, sealed: Sealed, tx: Transaction) -> Hook:
    return Hook(
        id=hook_id,
        account_id=pool.account_id,
        pool_id=pool.id,
        kind=wanted.kind,
        timeout=wanted.timeout,
        on_timeout=wanted.on_timeout,
        sealed_settings=sealed.data,
        key_id=sealed.key_id,
        created_at=tx.now,
    )
