"""Seals what waits to leave, the phones of participants, and what leads to both in a carrier's record: all the personal data
that Relay keeps.
"""

from __future__ import annotations

from uuid import UUID

from relay.core.envelope import Envelope, Letter
from relay.core.ids import bucket_of
from relay.core.keys import Purpose
from relay.vault.sealing import Place, Sealed, Sealing


class Envelopes:
    """Binds every value to its row: an envelope opens as the message that it was sealed for, a phone as its participant."""

    def __init__(self, sealing: Sealing) -> None:
        self._sealing = sealing

    def seal(self, account_id: UUID, message_id: UUID, letter: Letter) -> Envelope:
        phone = self._sealing.seal(Purpose.TRANSIT, _place(account_id, message_id, "outbox.phone"), letter.phone)
        text = self._sealing.seal(Purpose.TRANSIT, _place(account_id, message_id, "outbox.text"), letter.text)
        return Envelope(phone.data, text.data, text.key_id)

    def open(self, account_id: UUID, message_id: UUID, envelope: Envelope) -> Letter:
        """Raises Tampered for an envelope of another message."""

        def opened(column: str, data: bytes) -> str:
            place = _place(account_id, message_id, column)
            return self._sealing.open(Purpose.TRANSIT, place, Sealed(data, envelope.transit_id))

        return Letter(opened("outbox.phone", envelope.sealed_phone), opened("outbox.text", envelope.sealed_text))

    def seal_phone(self, account_id: UUID, participant_id: UUID, phone: str) -> Sealed:
        return self._sealing.seal(Purpose.EPOCH, _place(account_id, participant_id, "participant.phone"), phone)

    def open_phone(self, account_id: UUID, participant_id: UUID, sealed: Sealed) -> str:
        """Raises Tampered for the phone of another participant."""
        return self._sealing.open(Purpose.EPOCH, _place(account_id, participant_id, "participant.phone"), sealed)

    def seal_provider_id(self, account_id: UUID, row_id: UUID, provider_id: str) -> Sealed:
        return self._sealing.seal(Purpose.REDACTION, _place(account_id, row_id, "redaction.provider_id"), provider_id)

    def open_provider_id(self, account_id: UUID, row_id: UUID, sealed: Sealed) -> str:
        """Raises Tampered for the name of another text."""
        return self._sealing.open(Purpose.REDACTION, _place(account_id, row_id, "redaction.provider_id"), sealed)


def _place(account_id: UUID, row_id: UUID, column: str) -> Place:
    return Place(account_id, bucket_of(row_id), row_id, column)
