"""Keyword rules: what is told when one was obeyed."""

from __future__ import annotations

from uuid import UUID

from relay.core.ids import bucket_of
from relay.storage import queries
from relay.storage.database import Transaction
from relay.storage.messages import NewMessage

_SQL = queries.load("rules")


async def matched(tx: Transaction, text: NewMessage, rule_id: UUID) -> None:
    """Tell that a text, which is written already, was the word of a rule."""
    bucket = bucket_of(text.id)
    about = (text.account_id, text.session_id, text.sender_id, text.id)
    await tx.execute(_SQL["matched"], bucket, tx.now, tx.new_id(bucket), *about, rule_id)
