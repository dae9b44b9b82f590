"""Brings a database's schema up to this version: numbered files, forward only, the only truth about the schema.

A file that was applied must never change: its checksum is kept and compared. Several processes may start at once; a
lease row lets one of them work and the others wait.
"""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from importlib import resources
from uuid import UUID, uuid4

import asyncpg

from relay.core.errors import MigrationRefused
from relay.storage import queries
from relay.storage.database import Database, Transaction

_SQL = queries.load("migrate")
_LEASE = timedelta(seconds=60)
_FIRST_STARTS = 20


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of ``sql/migrations``."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations() -> list[Migration]:
    """All migrations of this version, in order. Raises MigrationRefused when numbers are missing or doubled."""
    folder = resources.files("relay.sql") / "migrations"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    found = [Migration(int(f.name[:4]), f.name.removesuffix(".sql"), f.read_text(encoding="utf-8")) for f in files]
    if [m.number for m in found] != list(range(1, len(found) + 1)):
        raise MigrationRefused("the migration files are not numbered 1, 2, 3 ...")
    return found


async def migrate(database: Database, *, patience: float = 60.0) -> list[str]:
    """Apply what is missing and return the names of what was applied.

    Raises MigrationRefused when an applied file has changed, when the database is newer than this version, or when
    another process holds the lease for longer than ``patience`` seconds.
    """
    await _prepare(database)
    owner = uuid4()
    await _take_lease(database, owner, patience)
    try:
        applied = [await _apply(database, m) for m in migrations()]
        return [name for name in applied if name]
    finally:
        async with database.transaction() as tx:
            await tx.execute(_SQL["release_lease"], owner)


async def _prepare(database: Database) -> None:
    """Make the two tables that migrating needs. `if not exists` does not keep two first starts from colliding."""
    for _ in range(_FIRST_STARTS):
        with suppress(asyncpg.UniqueViolationError, asyncpg.DuplicateTableError, asyncpg.DuplicateObjectError):
            async with database.transaction() as tx:
                for name in ("make_table", "make_lease", "make_lease_row"):
                    await tx.execute(_SQL[name])
            return
        await asyncio.sleep(0.1)
    raise MigrationRefused("too many processes are making this database's first tables at once: try again")


async def check(database: Database) -> None:
    """Raise MigrationRefused unless the schema is exactly the one of this version."""
    async with database.transaction() as tx:
        there = await tx.fetchval(_SQL["table_exists"])
        applied = await _applied(tx) if there else {}
    _compare(applied)
    missing = [m.name for m in migrations() if m.number not in applied]
    if missing:
        raise MigrationRefused(f"the database lacks {len(missing)} migration(s): run `relay migrate`")


async def _take_lease(database: Database, owner: UUID, patience: float) -> None:
    for _ in range(max(1, int(patience / 0.2))):
        async with database.transaction() as tx:
            if await tx.fetchval(_SQL["take_lease"], owner, tx.now, tx.now + _LEASE):
                return
        await asyncio.sleep(0.2)
    raise MigrationRefused("another process has been migrating this database for too long")


async def _apply(database: Database, migration: Migration) -> str | None:
    async with database.transaction() as tx:
        applied = await _applied(tx)
        _compare(applied)
        if migration.number in applied:
            return None
        await tx.execute(migration.sql)
        await tx.execute(_SQL["record"], migration.number, migration.name, migration.checksum, tx.now)
    return migration.name


async def _applied(tx: Transaction) -> dict[int, str]:
    return {row["number"]: row["checksum"] for row in await tx.fetch(_SQL["applied"])}


def _compare(applied: dict[int, str]) -> None:
    known = {m.number: m for m in migrations()}
    if applied.keys() - known.keys():
        raise MigrationRefused("the database was migrated by a newer version of Relay: upgrade Relay")
    for number, checksum in applied.items():
        if known[number].checksum != checksum:
            raise MigrationRefused(f"migration {known[number].name} was changed after it was applied")
