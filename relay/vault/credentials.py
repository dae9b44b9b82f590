"""Opens the sealed credentials of connections, and remembers what it opened as long as it is asked for the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from uuid import UUID

from relay.core.ids import bucket_of
from relay.core.keys import Purpose
from relay.vault.sealing import Place, Sealed, Sealing


class CredentialBox:
    """Credentials go in and out as name -> value."""

    def __init__(self, sealing: Sealing) -> None:
        self._sealing = sealing
        self._opened: dict[tuple[UUID, UUID], tuple[Sealed, Mapping[str, str]]] = {}

    def seal(self, account_id: UUID, connection_id: UUID, credentials: Mapping[str, str]) -> Sealed:
        return self._sealing.seal(Purpose.SETTINGS, _place(account_id, connection_id), json.dumps(dict(credentials)))

    def open(self, account_id: UUID, connection_id: UUID, sealed: Sealed) -> Mapping[str, str]:
        """Raises Tampered when they were not sealed for this connection."""
        known = self._opened.get((account_id, connection_id))
        if known is not None and known[0] == sealed:
            return known[1]
        text = self._sealing.open(Purpose.SETTINGS, _place(account_id, connection_id), sealed)
        credentials: Mapping[str, str] = json.loads(text)
        self._opened[account_id, connection_id] = (sealed, credentials)
        return credentials


def _place(account_id: UUID, connection_id: UUID) -> Place:
    return Place(account_id, bucket_of(connection_id), connection_id, "connection.credentials")
