"""Databases for tests, which are dear to make: one that a test has left nothing but rows in is emptied and used again.

Emptying deletes rows, so a database is bigger than a new one, and its dead rows hold what was there. Whoever looks at files or
plans takes one of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from urllib.parse import urlsplit, urlunsplit

import asyncpg

_USES = 40
_MAY_GROW_BY = 4_000_000  # bytes
_PATIENCE = 2.0  # seconds for the last connections of a test to go
_KEPT = ("schema_migration", "migration_lease", "configuration")

#: All that a test could have changed but rows.
_SHAPE = """
select md5(string_agg(thing, '|' order by thing)) from (
    select concat(c.relname, c.relkind, a.attname, a.atttypid, a.attnotnull) as thing
      from pg_class c left join pg_attribute a on a.attrelid = c.oid
     where c.relnamespace = 'public'::regnamespace
    union all
    select concat(conname, pg_get_constraintdef(oid)) from pg_constraint where connamespace = 'public'::regnamespace
    union all
    select concat(proname, prosrc) from pg_proc where pronamespace = 'public'::regnamespace
    union all
    select tgname || tgrelid::regclass from pg_trigger where not tgisinternal
    union all
    select array_to_string(setconfig, ',') from pg_db_role_setting where setdatabase =
           (select oid from pg_database where datname = current_database())
    union all
    select to_jsonb(m)::text from schema_migration m
    union all
    select to_jsonb(l)::text from migration_lease l) as things
"""
_TABLES = """
select c.relname from pg_class c
 where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and c.relname <> all ($1::text[])
"""
_OTHERS = """
select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
"""


@dataclass(slots=True)
class Databases:
    """Those of one server, all like one template. ``strategy``: how PostgreSQL copies it, in its words."""

    server: str
    template: str
    strategy: str = ""
    _numbers: count[int] = field(default_factory=lambda: count(1))
    _uses: dict[str, int] = field(default_factory=dict)
    _free: list[str] = field(default_factory=list)
    _as_new: tuple[str, int] | None = None

    def take(self) -> str:
        """The address of a database that looks like the template."""
        return asyncio.run(self._take())

    def give_back(self, dsn: str) -> None:
        """The test is over: keep the database if it can be used again."""
        asyncio.run(self._give_back(urlsplit(dsn).path.removeprefix("/")))

    async def _take(self) -> str:
        if not self._free:
            name = f"relay_test_{next(self._numbers)}"
            await self._tell(f"create database {name} template {self.template} {self.strategy}")
            self._uses[name] = 0
            self._free.append(name)
        name = self._free.pop()
        self._uses[name] += 1
        return in_database(self.server, name)

    async def _give_back(self, name: str) -> None:
        if self._uses[name] < _USES and await self._emptied(name):
            self._free.append(name)
        else:
            await self._tell(f"drop database {name} with (force)")

    async def _emptied(self, name: str) -> bool:
        """Is it like a new one again?"""
        if self._as_new is None:
            async with _connected(in_database(self.server, self.template)) as connection:
                self._as_new = await _look(connection)
        as_new, size_of_new = self._as_new
        async with _connected(in_database(self.server, name)) as connection:
            if not await _is_alone(connection):
                return False
            shape, size = await _look(connection)
            if shape != as_new or size > size_of_new + _MAY_GROW_BY:
                return False
            await _empty(connection)
        return True

    async def _tell(self, statement: str) -> None:
        async with _connected(self.server) as connection:
            await connection.execute(statement)


@asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def _is_alone(connection: asyncpg.Connection[asyncpg.Record]) -> bool:
    """Send everybody else away, and wait until they have gone."""
    for _ in range(int(_PATIENCE / 0.05)):
        if not await connection.fetchval(_OTHERS):
            return True
        await asyncio.sleep(0.05)
    return False


async def _look(connection: asyncpg.Connection[asyncpg.Record]) -> tuple[str, int]:
    return await connection.fetchval(_SHAPE), await connection.fetchval("select pg_database_size(current_database())")


async def _empty(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    tables = [row[0] for row in await connection.fetch(_TABLES, list(_KEPT))]
    emptying = "; ".join(f"delete from {table}" for table in (*tables, "configuration"))
    again = "insert into configuration default values"
    await connection.execute(f"begin; set local session_replication_role = replica; {emptying}; {again}; commit")


def in_database(dsn: str, name: str) -> str:
    """The same server, another database."""
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))
