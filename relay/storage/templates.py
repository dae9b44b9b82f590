"""Templates of texts: an account's own words, in its bucket."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from relay.core.errors import Conflict
from relay.core.ids import bucket_of
from relay.storage import queries
from relay.storage.database import Transaction

_SQL = queries.load("templates")


@dataclass(frozen=True, slots=True)
class StoredTemplate:
    """A template as its account wrote it."""

    id: UUID
    name: str
    text: str
    language: str | None
    created_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class TemplateWords:
    """What a template says. None = leave it as it is."""

    name: str | None = None
    text: str | None = None
    language: str | None = None


async def add(tx: Transaction, template_id: UUID, account_id: UUID, words: TemplateWords) -> None:
    """Store a template; one of this id stays as it is. Raises Conflict ``template_name_taken``."""
    args = (bucket_of(template_id), tx.now, template_id, account_id, words.name, words.text, words.language)
    try:
        await tx.execute(_SQL["add"], *args)
    except asyncpg.UniqueViolationError:
        raise _taken() from None


async def read(tx: Transaction, account_id: UUID, template_id: UUID) -> StoredTemplate | None:
    row = await tx.fetchrow(_SQL["read"], bucket_of(template_id), account_id, template_id)
    return StoredTemplate(**row) if row else None


async def named(tx: Transaction, bucket: int, account_id: UUID, name: str) -> StoredTemplate | None:
    row = await tx.fetchrow(_SQL["named"], bucket, account_id, name)
    return StoredTemplate(**row) if row else None


async def listed(
    tx: Transaction, bucket: int, account_id: UUID, *, limit: int, before: UUID | None
) -> Sequence[StoredTemplate]:
    """An account's templates, newest first, before an id."""
    return [StoredTemplate(**row) for row in await tx.fetch(_SQL["list"], bucket, account_id, limit, before)]


async def change(tx: Transaction, template_id: UUID, account_id: UUID, words: TemplateWords) -> bool:
    """Change a template; False when there is none. Raises Conflict ``template_name_taken``."""
    args = (bucket_of(template_id), tx.now, template_id, account_id, words.name, words.text, words.language)
    try:
        return await tx.fetchval(_SQL["change"], *args) is not None
    except asyncpg.UniqueViolationError:
        raise _taken() from None


async def remove(tx: Transaction, template_id: UUID, account_id: UUID) -> bool:
    """Remove a template; says whether it was there."""
    return await tx.fetchval(_SQL["remove"], bucket_of(template_id), template_id, account_id) is not None


def _taken() -> Conflict:
    return Conflict("there is a template of this name", code="template_name_taken")
