"""Posting to an account's endpoint: its settings opened, the body signed, one answer or the word for why there is none."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from relay.core import signing
from relay.core.customer_url import CustomerUrl
from relay.core.errors import NotAnswered
from relay.core.ids import IdKind, public
from relay.core.webhooks import Answer, EndpointSettings, Failure, Happened, body_of, living
from relay.providers.guarded import GuardedTransport
from relay.services.webhooks.places import Trials
from relay.storage.configuration import Endpoint
from relay.vault.sealing import Sealed
from relay.vault.vault import Vault

#: Seconds for everything. An endpoint that needs longer takes the event in first and works on it afterwards.
DEADLINE = 15.0


@dataclass(frozen=True, slots=True)
class Posting:
    """``http_allowed``: addresses of this machine over plain http will do; for trials."""

    vault: Vault
    transport: GuardedTransport
    http_allowed: bool
    within: float = DEADLINE
    trials: Trials = field(default_factory=Trials)

    def url(self, text: str) -> CustomerUrl:
        """An address as an account gives it. Raises InvalidInput."""
        return CustomerUrl.parse(text, "url", http_allowed=self.http_allowed)

    def settings(self, endpoint: Endpoint) -> EndpointSettings:
        """Raises Tampered."""
        sealed = Sealed(endpoint.sealed_settings, endpoint.key_id)
        return self.vault.endpoints.open(endpoint.account_id, endpoint.id, sealed)

    async def post(self, endpoint: Endpoint, event: Happened, *, now: datetime, offset: timedelta) -> Answer:
        """Tell an endpoint of an event, once. Raises InvalidInput for an address that will not do any more, and
        Tampered.

        ``offset``: by how much the time was moved here. The receiver's clock was not, and it compares.
        """
        settings, body = self.settings(endpoint), body_of(event)
        secrets = [secret.text for secret in living(settings.secrets, now)]
        signed = signing.headers(secrets, public(IdKind.EVENT, event.id), now - offset, body)
        headers = {"content-type": "application/json", **signed}
        owner, url = endpoint.account_id, self.url(settings.url)
        try:
            answer = await self.transport.post(owner, url, body, headers, within=self.within)
        except NotAnswered as error:
            return Answer(failure=Failure(error.kind))
        return Answer(answer.status, retry_after=answer.retry_after)
