"""Seals an endpoint's address and secrets, and remembers what it opened as long as it is asked for the same."""

from __future__ import annotations

import json
from datetime import datetime
from uuid import UUID

from relay.core.ids import bucket_of
from relay.core.keys import Purpose
from relay.core.webhooks import EndpointSettings, Secret
from relay.vault.sealing import Place, Sealed, Sealing


class EndpointBox:
    """Settings go in and out whole."""

    def __init__(self, sealing: Sealing) -> None:
        self._sealing = sealing
        self._opened: dict[UUID, tuple[Sealed, EndpointSettings]] = {}

    def seal(self, account_id: UUID, endpoint_id: UUID, settings: EndpointSettings) -> Sealed:
        secrets = [[one.text, one.until and one.until.isoformat()] for one in settings.secrets]
        plain = json.dumps({"url": settings.url, "secrets": secrets})
        return self._sealing.seal(Purpose.SETTINGS, _place(account_id, endpoint_id), plain)

    def open(self, account_id: UUID, endpoint_id: UUID, sealed: Sealed) -> EndpointSettings:
        """Raises Tampered when they were not sealed for this endpoint."""
        known = self._opened.get(endpoint_id)
        if known is not None and known[0] == sealed:
            return known[1]
        plain = json.loads(self._sealing.open(Purpose.SETTINGS, _place(account_id, endpoint_id), sealed))
        secrets = (Secret(text, until and datetime.fromisoformat(until)) for text, until in plain["secrets"])
        settings = EndpointSettings(plain["url"], tuple(secrets))
        self._opened[endpoint_id] = (sealed, settings)
        return settings


def _place(account_id: UUID, endpoint_id: UUID) -> Place:
    return Place(account_id, bucket_of(endpoint_id), endpoint_id, "endpoint.settings")
