"""Names what a carrier is to delete later, sealed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from relay.core.redaction import CarrierCopy, RedactionTimes
from relay.vault.envelopes import Envelopes


class Line(Protocol):
    """The connection that a text came or left by."""

    @property
    def id(self) -> UUID: ...
    @property
    def account_id(self) -> UUID: ...
    @property
    def provider(self) -> str: ...


@dataclass(frozen=True, slots=True)
class CarrierCopies:
    """``deletes``: can this provider be told to delete its record of a text?"""

    envelopes: Envelopes
    deletes: Callable[[str], bool]
    times: RedactionTimes

    def of(self, line: Line, row_id: UUID, provider_id: str) -> CarrierCopy | None:
        """The provider's record of one text, by the provider's name of it; None where it cannot be told to delete any."""
        if not self.deletes(line.provider):
            return None
        sealed = self.envelopes.seal_provider_id(line.account_id, row_id, provider_id)
        return CarrierCopy(row_id, line.account_id, line.id, sealed.data, sealed.key_id, self.times)
