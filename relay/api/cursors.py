"""Cursors: where a list goes on, signed so that nobody can make one up."""

from __future__ import annotations

from uuid import UUID

from itsdangerous import BadData, URLSafeSerializer

from relay.core.errors import InvalidInput, Problem


class Cursors:
    """A cursor is good for the list and the account that it was made for."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def write(self, which: str, account_id: UUID, after: UUID) -> str:
        return str(self._serializer(which, account_id).dumps(after.hex))

    def read(self, which: str, account_id: UUID, cursor: str | None) -> UUID | None:
        """Raises InvalidInput for a cursor that we did not make for this list."""
        if cursor is None:
            return None
        try:
            return UUID(hex=self._serializer(which, account_id).loads(cursor))
        except (BadData, ValueError, AttributeError, TypeError):
            raise InvalidInput(Problem("cursor", "invalid", "must be a next_cursor of this list")) from None

    def _serializer(self, which: str, account_id: UUID) -> URLSafeSerializer:
        return URLSafeSerializer(self._secret, salt=f"relay cursor|{which}|{account_id.hex}")
