"""Endpoints as their owner sees them: where an account wants to be told what happens, and with which secret it is
signed.

An address may hold a token, so it goes in and never comes out whole; a secret is shown once.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from uuid import UUID

from relay.core import signing
from relay.core.errors import Conflict, InvalidInput, NotFound
from relay.core.ids import Seed
from relay.core.webhooks import (
    FORMER_SECRET_FOR,
    TEST_TYPE,
    Answer,
    DisabledReason,
    EndpointSettings,
    Happened,
    read_filter,
    rotated,
)
from relay.services.webhooks.posting import Posting
from relay.services.webhooks.switching import disable
from relay.storage import endpoints
from relay.storage.configuration import Account, Configuration, Endpoint
from relay.storage.database import Database, Transaction

#: Of one account: each is one more delivery of every event.
MOST_ENDPOINTS = 20


@dataclass(frozen=True, slots=True)
class EndpointView:
    """An endpoint without what is secret of it. ``host``: where it is, without path and query. ``failing_since``: it
    has taken nothing since then."""

    endpoint: Endpoint
    host: str
    failing_since: datetime | None


@dataclass(frozen=True, slots=True)
class EndpointChange:
    """None = leave it."""

    url: str | None = None
    events: Sequence[str] | None = None
    enabled: bool | None = None


@dataclass(frozen=True, slots=True)
class Webhooks:
    database: Database
    configuration: Configuration
    posting: Posting

    async def add(self, account: Account, url: str, events: Sequence[str], seed: Seed) -> tuple[EndpointView, str]:
        """Make an endpoint; returns it with its secret. The same seed again gives the same. Raises InvalidInput,
        Conflict ``too_many_webhooks``."""
        wanted, address = read_filter(events), self.posting.url(url)
        endpoint_id = seed.id_in(account.bucket)
        now = await self.database.now()
        settings = EndpointSettings(address.text, rotated((), _fresh_secret(), now))
        sealed = self.posting.vault.endpoints.seal(account.id, endpoint_id, settings)
        new = endpoints.NewEndpoint(endpoint_id, account.id, wanted, sealed.data, sealed.key_id)
        if not await self.database.run(lambda tx: endpoints.add(tx, new, at_most=MOST_ENDPOINTS)):
            raise Conflict(f"an account may have {MOST_ENDPOINTS} webhooks", code="too_many_webhooks")
        view = await self.read(account, endpoint_id)
        return view, self.posting.settings(view.endpoint).secrets[0].text

    async def listed(self, account: Account) -> list[EndpointView]:
        """Oldest first."""
        found = (await self.configuration.refreshed()).endpoints_of(account.id)
        return [await self._view(one) for one in found]

    async def read(self, account: Account, endpoint_id: UUID) -> EndpointView:
        """Raises NotFound for unknown and for foreign ids alike."""
        return await self._view(await self.find(account, endpoint_id))

    async def find(self, account: Account, endpoint_id: UUID) -> Endpoint:
        """Raises NotFound for unknown and for foreign ids alike."""
        endpoint = (await self.configuration.refreshed()).endpoints.get(endpoint_id)
        if endpoint is None or endpoint.account_id != account.id:
            raise NotFound
        return endpoint

    async def change(self, account: Account, endpoint_id: UUID, change: EndpointChange) -> EndpointView:
        """Raises NotFound, InvalidInput."""
        endpoint = await self.find(account, endpoint_id)
        url = self.posting.url(change.url).text if change.url is not None else None
        events = read_filter(change.events) if change.events is not None else None
        if url is not None or events is not None:
            await self.database.run(partial(self._rewrite, endpoint, url, events))
        if change.enabled is False:
            await disable(self.database, self.configuration, endpoint, DisabledReason.BY_ACCOUNT)
        if change.enabled is True:
            await self.database.run(lambda tx: endpoints.enable(tx, account.id, endpoint_id))
        return await self.read(account, endpoint_id)

    async def remove(self, account: Account, endpoint_id: UUID) -> None:
        """It is told nothing any more, and what it was told is forgotten with the events. Raises NotFound."""
        await self.find(account, endpoint_id)
        await self.database.run(lambda tx: endpoints.remove(tx, account.id, endpoint_id))
        await self.configuration.refreshed()

    async def rotate(self, account: Account, endpoint_id: UUID) -> tuple[str, datetime]:
        """A fresh secret, and until when the former one signs too. Raises NotFound."""
        endpoint, fresh = await self.find(account, endpoint_id), _fresh_secret()
        now = await self.database.run(partial(self._rotate, endpoint, fresh))
        await self.configuration.refreshed()
        return fresh, now + FORMER_SECRET_FOR

    async def test(self, account: Account, endpoint_id: UUID) -> Answer:
        """Post a signed event of no meaning, now and once, to a disabled one too; returns what came back. Raises
        NotFound, and TooMany while the account has others open."""
        endpoint = await self.find(account, endpoint_id)
        async with self.database.transaction() as tx:
            event_id, now = tx.new_id(account.bucket), tx.now
        event = Happened(event_id, account.id, TEST_TYPE, now, endpoint_id=endpoint_id)
        with self.posting.trials.one(account.id):
            return await self.posting.post(endpoint, event, now=now, offset=self.database.clock_offset)

    async def _view(self, endpoint: Endpoint) -> EndpointView:
        async with self.database.single() as tx:
            since = await endpoints.failing_since(tx, endpoint.id)
        return EndpointView(endpoint, self._host(endpoint), since)

    def _host(self, endpoint: Endpoint) -> str:
        try:
            return self.posting.url(self.posting.settings(endpoint).url).authority
        except InvalidInput:  # what was allowed when it was given is not any more
            return ""

    async def _rewrite(
        self, endpoint: Endpoint, url: str | None, events: Sequence[str] | None, tx: Transaction
    ) -> None:
        current = await self._locked(tx, endpoint)
        settings = self.posting.settings(current)
        await self._store(tx, current, replace(settings, url=url or settings.url), events or current.events)

    async def _rotate(self, endpoint: Endpoint, fresh: str, tx: Transaction) -> datetime:
        current = await self._locked(tx, endpoint)
        settings = self.posting.settings(current)
        after = replace(settings, secrets=rotated(settings.secrets, fresh, tx.now))
        await self._store(tx, current, after, current.events)
        return tx.now

    async def _locked(self, tx: Transaction, endpoint: Endpoint) -> Endpoint:
        current = await endpoints.lock(tx, endpoint.account_id, endpoint.id)
        if current is None:
            raise NotFound
        return current

    async def _store(
        self, tx: Transaction, endpoint: Endpoint, settings: EndpointSettings, events: Sequence[str]
    ) -> None:
        sealed = self.posting.vault.endpoints.seal(endpoint.account_id, endpoint.id, settings)
        new = replace(endpoint, events=tuple(events), sealed_settings=sealed.data, key_id=sealed.key_id)
        await endpoints.change(tx, new)


def _fresh_secret() -> str:
    return signing.secret_of(secrets.token_bytes(signing.SECRET_BYTES))
