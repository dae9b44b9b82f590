"""Somebody who has a copy of the database, and a keyring: tries every key on every sealed value, in the place where it stands.

They know the scheme as it is published. What a value is bound to is read off its own row, so only the key can be missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from relay.core.ids import Seed, bucket_of
from relay.core.keys import Purpose
from relay.vault.keyring import Key, Keyring
from relay.vault.sealing import Place

_NONCE_BYTES = 12
# A row that does not name its account is of a session's.
_ROWS = """
select t.*, coalesce(to_jsonb(t) ->> 'account_id', s.account_id::text)::uuid as of_account
from "{table}" t
left join session s on s.bucket::text = to_jsonb(t) ->> 'bucket' and s.id::text = to_jsonb(t) ->> 'session_id'
where t."{column}" is not null
"""


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """Under which keys a column is sealed, what it is called where it is sealed, and which of the row's ids binds it."""

    purpose: Purpose
    place: str
    key_id: str
    row_id: Callable[[asyncpg.Record], UUID] = lambda row: UUID(str(row["id"]))


def _message(row: asyncpg.Record) -> UUID:
    return UUID(str(row["message_id"]))


def _made_from_seed(row: asyncpg.Record) -> UUID:
    return Seed(row["created_at"], row["entropy"]).id_in(row["bucket"])


#: Every sealed column, as table and column. A new one is a line here.
SEALED: Mapping[tuple[str, str], SealedColumn] = {
    ("participant", "sealed_phone"): SealedColumn(Purpose.EPOCH, "participant.phone", "epoch_id"),
    ("outbox", "sealed_phone"): SealedColumn(Purpose.TRANSIT, "outbox.phone", "transit_id", _message),
    ("outbox", "sealed_text"): SealedColumn(Purpose.TRANSIT, "outbox.text", "transit_id", _message),
    ("hook_call", "sealed_phone"): SealedColumn(Purpose.TRANSIT, "outbox.phone", "transit_id"),
    ("hook_call", "sealed_text"): SealedColumn(Purpose.TRANSIT, "outbox.text", "transit_id"),
    ("idempotency", "sealed_answer"): SealedColumn(
        Purpose.TRANSIT, "idempotency.answer", "transit_id", _made_from_seed
    ),
    ("privacy_export", "sealed_document"): SealedColumn(Purpose.TRANSIT, "privacy_export.document", "transit_id"),
    ("redaction", "sealed_provider_id"): SealedColumn(Purpose.REDACTION, "redaction.provider_id", "redaction_id"),
    ("endpoint", "sealed_settings"): SealedColumn(Purpose.SETTINGS, "endpoint.settings", "key_id"),
    ("pool_hook", "sealed_settings"): SealedColumn(Purpose.SETTINGS, "hook.settings", "key_id"),
    ("connection", "sealed_credentials"): SealedColumn(Purpose.SETTINGS, "connection.credentials", "key_id"),
}


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of the values of one column. ``opened``: what was in those that opened, and which key opened each."""

    rows: int
    opened: list[str] = field(repr=False)
    by: frozenset[Purpose]


async def sealed_columns(url: str) -> set[tuple[str, str]]:
    """Table and column of everything in this database that is named as sealed. Partitions are parts of their table."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            "select table_name, column_name from information_schema.columns where table_schema = 'public'"
            r" and column_name like 'sealed\_%' and data_type = 'bytea' order by 1, 2"
        )
    finally:
        await connection.close()
    return {(row["table_name"], row["column_name"]) for row in rows}


async def try_every_key(url: str, ring: Keyring) -> dict[tuple[str, str], Tried]:
    """Try every key of a keyring on every sealed value of a database."""
    keys = [(purpose, key) for purpose, held in ring.all().items() for key in held]
    connection = await asyncpg.connect(url)
    try:
        found = {}
        for (table, column), sealed in SEALED.items():
            rows = await connection.fetch(_ROWS.format(table=table, column=column))
            opened = [one for row in rows for one in _opened(row, column, sealed, keys)]
            found[table, column] = Tried(len(rows), [plain for _, plain in opened], frozenset(p for p, _ in opened))
        return found
    finally:
        await connection.close()


def _opened(
    row: asyncpg.Record, column: str, sealed: SealedColumn, keys: list[tuple[Purpose, Key]]
) -> Iterator[tuple[Purpose, str]]:
    """What this row's value says under each of the keys: under at most one, unless something is very wrong."""
    row_id = sealed.row_id(row)
    place = Place(row["of_account"], bucket_of(row_id), row_id, sealed.place)
    nonce, data = row[column][:_NONCE_BYTES], row[column][_NONCE_BYTES:]
    for purpose, key in keys:
        for number in {row[sealed.key_id], key.id}:
            try:
                plain = AESGCM(key.secret).decrypt(nonce, data, place.associated_data(number))
            except InvalidTag:
                continue
            yield purpose, plain.decode()
