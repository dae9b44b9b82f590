"""Connections: one set of credentials at one provider. They go in, are sealed, and never come out again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from relay.core.errors import Conflict, InvalidInput, NotFound, Problem, WebhookRefused
from relay.core.ids import Seed
from relay.core.notices import Phrase, say
from relay.providers.base import Adapter, InboundText, Receipt, Webhook
from relay.providers.transport import NoAnswer, Transport
from relay.storage import accounts
from relay.storage.configuration import Account, Configuration, Connection
from relay.storage.database import Database
from relay.vault.sealing import Sealed
from relay.vault.vault import Vault


@dataclass(frozen=True, slots=True)
class Connections:
    """``base_urls`` replaces a provider's own address (sandbox only)."""

    database: Database
    configuration: Configuration
    vault: Vault
    adapters: dict[str, Adapter]
    transport: Transport
    base_urls: dict[str, str]

    async def add(self, account: Account, provider: str, credentials: Mapping[str, str], seed: Seed) -> Connection:
        """Store credentials; the same seed again gives the same connection. Raises InvalidInput."""
        adapter = self.adapters.get(provider)
        if adapter is None:
            known = ", ".join(sorted(self.adapters))
            raise InvalidInput(Problem("provider", "unknown_provider", f"must be one of: {known}"))
        if not credentials.keys() <= adapter.fields.keys():  # the names are not repeated: anything may be in them
            known = ", ".join(adapter.fields)
            raise InvalidInput(Problem("credentials", "unknown_field", f"may only hold {known}"))
        adapter.check_credentials(credentials)
        connection_id = seed.id_in(account.bucket)
        sealed = self.vault.credentials.seal(account.id, connection_id, credentials)
        new = accounts.NewConnection(connection_id, account.id, provider, sealed.data, sealed.key_id)
        await self.database.run(lambda tx: accounts.add_connection(tx, new))
        return (await self.configuration.refreshed()).connections[connection_id]

    async def listed(self, account: Account) -> list[Connection]:
        directory = await self.configuration.refreshed()
        return [c for c in directory.connections.values() if c.account_id == account.id]

    async def read(self, account: Account, connection_id: UUID) -> Connection:
        """Raises NotFound for unknown and for foreign ids alike."""
        connection = (await self.configuration.refreshed()).connections.get(connection_id)
        if connection is None or connection.account_id != account.id:
            raise NotFound
        return connection

    async def remove(self, account: Account, connection_id: UUID) -> None:
        """Raises NotFound, Conflict ``connection_in_use``."""
        await self.read(account, connection_id)
        if not await self.database.run(lambda tx: accounts.remove_connection(tx, account.id, connection_id)):
            raise Conflict("numbers still use this connection", code="connection_in_use")

    async def test(self, account: Account, connection_id: UUID) -> bool:
        """Does the provider take these credentials? Raises NotFound, Conflict ``provider_unavailable``."""
        connection = await self.read(account, connection_id)
        adapter = self.adapters[connection.provider]
        base_url = self.base_urls.get(adapter.name, adapter.base_url)
        try:
            answer = await self.transport.send(adapter.build_check(self._credentials(connection), base_url))
        except NoAnswer:
            raise Conflict("the provider does not answer", code="provider_unavailable", retry_after=5) from None
        try:
            return adapter.read_check(answer)
        except WebhookRefused:
            raise Conflict("the provider is busy", code="provider_unavailable", retry_after=5) from None

    async def verified_text(self, connection_id: UUID, webhook: Webhook) -> tuple[Connection, InboundText]:
        """A provider's request as a text. Raises WebhookRefused before anything of it is believed or looked up."""
        connection, adapter = await self._verified(connection_id, webhook)
        return connection, adapter.read_inbound(webhook)

    async def verified_receipt(self, connection_id: UUID, webhook: Webhook) -> tuple[Connection, Receipt]:
        """A provider's request as a receipt. Raises WebhookRefused."""
        connection, adapter = await self._verified(connection_id, webhook)
        return connection, adapter.read_receipt(webhook)

    async def answer_call(self, connection_id: UUID, webhook: Webhook) -> tuple[bytes, str]:
        """What a caller hears, as body and content type. Raises WebhookRefused."""
        connection, adapter = await self._verified(connection_id, webhook)
        account = (await self.configuration.current()).accounts[connection.account_id]
        words = say(Phrase.CALL, language=account.language, own_words=account.notices)
        return adapter.answer_call(words)

    async def _verified(self, connection_id: UUID, webhook: Webhook) -> tuple[Connection, Adapter]:
        connection = (await self.configuration.current()).connections.get(connection_id)
        if connection is None:
            raise WebhookRefused
        adapter = self.adapters[connection.provider]
        adapter.verify_webhook(self._credentials(connection), webhook)
        return connection, adapter

    def _credentials(self, connection: Connection) -> Mapping[str, str]:
        sealed = Sealed(connection.sealed_credentials, connection.key_id)
        return self.vault.credentials.open(connection.account_id, connection.id, sealed)
