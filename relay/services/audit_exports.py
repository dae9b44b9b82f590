"""Exporting an account's log as an evidence pack: asked for once, made as often as it is fetched, kept nowhere.

What was asked for stays the same: the head as it was signed then, its run of entries, what was reported then. Records are read a
few at a time while a pack is made. One that is erased or forgotten meanwhile is in the pack as its leaf, which is what the tree
holds of both, so that every pack is true of some moment for each of its entries.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from typing import ParamSpec, TypeVar
from uuid import UUID

from relay.core.cosigning import witnessed
from relay.core.errors import Conflict, NotFound
from relay.core.exporting import Period
from relay.core.ids import Seed, bucket_of
from relay.core.merkle import HASH_BYTES
from relay.core.notes import parse_key, parse_note
from relay.core.pack import KeyUse, PackedEntry
from relay.core.tiles import ENTRIES, TILE_WIDTH, Place, split
from relay.core.times import written
from relay.evidence.writing import Contents, Packing
from relay.storage import audit_exports, audit_reading, audit_witnesses
from relay.storage.audit_exports import Document, Export, NewExport
from relay.storage.audit_reading import SigningKey
from relay.storage.configuration import Account
from relay.storage.database import Database, Transaction

_AT_ONCE = 4 * TILE_WIDTH  # entries read, hashed and written at once; some hundredths of a second
_BATCH = 100

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class AuditExports:
    """``Export`` says what was asked for; ``contents`` and ``fill`` make a pack of it, as often as wanted."""

    database: Database

    async def ask(
        self, account: Account, period: Period, retention: Document, *, key_id: UUID | None, seed: Seed
    ) -> Export:
        """Ask for the entries dated within a period, under the log's present head; the same seed again is the same export.

        ``key_id``: of the API key that asks; None = somebody at the machine. Raises Conflict when nothing is sealed yet.
        """
        export_id = seed.id_in(account.bucket)
        await self.database.run(partial(_ask, account, period, retention, key_id, export_id))
        return await self.read(account, export_id)

    async def read(self, account: Account, export_id: UUID) -> Export:
        """Raises NotFound for unknown and for foreign ids alike."""
        return await self._asked(account.id, export_id)

    async def linked(self, export_id: UUID) -> Export:
        """The export that a link names, for whoever has it. Raises NotFound when its time is over."""
        return await self._asked(None, export_id)

    async def contents(self, export: Export) -> Contents:
        """What is known of an export's pack before its first entry."""
        bucket, note = bucket_of(export.id), parse_note(export.checkpoint)
        keys = await self.database.run(
            lambda tx: audit_reading.signing_keys(tx, bucket, export.account_id), single=True
        )
        empty = Contents(note, (), {}, export.first_n, export.end_n)
        uses = tuple(_use(key) for key in keys if key.first_size <= empty.about().size)
        return Contents(
            note,
            tuple(sorted(uses, key=lambda use: use.first_size)),
            dict(export.retention),
            export.first_n,
            export.end_n,
            written(export.since),
            written(export.until),
            None if export.cosigned is None else parse_note(export.cosigned),
        )

    async def fill(self, export: Export, pack: Packing) -> AsyncIterator[int]:
        """Write all of an export into its pack; after each step, how many leaves and entries more are in it.

        Hashing and writing are done in a thread. Raises EvidenceRefused when what is kept is not what was signed.
        """
        about = pack.about
        for first in range(0, about.size, _AT_ONCE):
            leaves = await self._leaves(export, first, min(first + _AT_ONCE, about.size))
            await _apart(pack.add_leaves, leaves)
            yield len(leaves) // HASH_BYTES
        for first in range(about.first, about.end, _AT_ONCE):
            entries = await self._entries(export, first, min(first + _AT_ONCE, about.end))
            await _apart(pack.add_entries, entries)
            yield len(entries)
        rest = pack.finishing()
        while await _apart(next, rest, False):
            yield 0

    async def forget(self, bucket: int) -> int:
        """Forget exports whose time is over; says how many."""
        return await self.database.run(lambda tx: audit_exports.forget(tx, bucket, limit=_BATCH), single=True)

    async def _asked(self, account_id: UUID | None, export_id: UUID) -> Export:
        found = await self.database.run(lambda tx: audit_exports.asked(tx, account_id, export_id), single=True)
        if found is None:
            raise NotFound
        return found

    async def _leaves(self, export: Export, first: int, end: int) -> bytes:
        bucket = bucket_of(export.id)
        places = [Place(ENTRIES, n) for n in range(first // TILE_WIDTH, -(-end // TILE_WIDTH))]
        kept = await self.database.run(
            lambda tx: audit_reading.tiles(tx, bucket, export.account_id, places), single=True
        )
        joined = b"".join(kept.get(place, b"") for place in places)
        skipped = first % TILE_WIDTH
        return joined[skipped * HASH_BYTES : (skipped + end - first) * HASH_BYTES]

    async def _entries(self, export: Export, first: int, end: int) -> list[PackedEntry]:
        told = await self.database.run(
            lambda tx: audit_exports.records(tx, bucket_of(export.id), export.account_id, first, end), single=True
        )
        leaves = split(await self._leaves(export, first, end))
        return [
            PackedEntry(n, *told[n]) if n in told else PackedEntry(n, None, None, leaf)
            for n, leaf in enumerate(leaves, first)
        ]


async def _ask(
    account: Account, period: Period, retention: Document, key_id: UUID | None, export_id: UUID, tx: Transaction
) -> None:
    # Before the head is: what was witnessed is never larger than that.
    cosigned = witnessed(await audit_witnesses.words(tx, account.bucket, account.id))
    head = await audit_reading.head(tx, account.bucket, account.id)
    if head is None:
        raise Conflict("nothing is in this log yet", code="log_empty", retry_after=5)
    run: tuple[int, int] | None = (0, head.size)
    if not period.is_all:
        run = await audit_exports.run_within(tx, account.bucket, account.id, head.size, period)
    first, end = run or (0, 0)
    told = None if cosigned is None else cosigned.written()
    await audit_exports.ask(
        tx, NewExport(export_id, account.id, key_id, head.checkpoint, first, end, period, retention, told)
    )


def _use(key: SigningKey) -> KeyUse:
    return KeyUse(parse_key(key.verifier), written(key.first_at) or "", key.first_size)


async def _apart(work: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
    """Do it in a thread. Who is cancelled meanwhile waits for the thread, so that nothing is closed under its hands."""
    task = asyncio.ensure_future(asyncio.to_thread(work, *args, **named))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
