"""A log as it is served: its head and its tiles (https://c2sp.org/tlog-tiles), asked for by whoever fetches.

Nothing that comes is trusted, only measured: a tile is as long as it must be, and what it says is hashed up to a signed head.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from relay.core.errors import EvidenceRefused, NotFound
from relay.core.merkle import HASH_BYTES
from relay.core.notes import Note, parse_note
from relay.core.tiles import ENTRIES, TILE_WIDTH, Place, Tile

#: Fetches what stands behind the log's address. Raises NotFound when nothing does, TryLater when no answer comes, and
#: EvidenceRefused for an answer that is none.
Fetch = Callable[[str], Awaitable[bytes]]

_TILE_BITS = 8
_LENGTH = HASH_BYTES.to_bytes(2, "big")
#: How many tiles are asked for at once.
AT_ONCE = 8


class ServedLog:
    """Reads a log over whatever fetches."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch

    async def head(self) -> Note:
        """The head as it is served. Raises EvidenceRefused when that is no note; who signed it is for the caller to ask."""
        try:
            return parse_note((await self._fetch("checkpoint")).decode())
        except UnicodeDecodeError:
            raise EvidenceRefused("what is served as the checkpoint is not text", code="note_refused") from None
        except NotFound:
            raise EvidenceRefused("there is no checkpoint at this address", code="note_refused") from None
        except EvidenceRefused as error:
            raise EvidenceRefused(f"checkpoint: {error.message}", code=error.code) from None

    async def witnessed(self) -> bytes | None:
        """The newest head that a witness has signed, as it is served; None = there is none."""
        try:
            return await self._fetch("checkpoint?witnessed=true")
        except NotFound:
            return None

    async def kept(self, places: Iterable[Place], size: int) -> dict[Place, bytes]:
        """What is kept at these places of a tree of this size. Raises EvidenceRefused when the log has it not."""
        wanted = sorted(places)
        found: dict[Place, bytes] = {}
        for at in range(0, len(wanted), AT_ONCE):
            some = [_tile_at(place, size) for place in wanted[at : at + AT_ONCE]]
            found |= zip(wanted[at : at + AT_ONCE], await self.tiles(some), strict=True)
        return found

    async def tiles(self, tiles: Iterable[Tile]) -> list[bytes]:
        """Tiles, all at once. Of an entry bundle: its leaves one after the other. Raises EvidenceRefused."""
        return list(await asyncio.gather(*map(self._tile, tiles)))

    async def _tile(self, tile: Tile) -> bytes:
        try:
            return _measured(tile, await self._fetch(f"tile/{tile.path()}"))
        except NotFound:
            if tile.width == TILE_WIDTH:
                raise EvidenceRefused(f"the log has no tile {tile.path()}", code="tile_refused") from None
        # A log may drop a tile that is not full once it is: the full one begins with it.
        full = await self._tile(Tile(tile.level, tile.index))
        return full[: tile.width * HASH_BYTES]


def _tile_at(place: Place, size: int) -> Tile:
    count = size >> _TILE_BITS * max(place.level, 0)
    return Tile(place.level, place.index, min(TILE_WIDTH, count - place.index * TILE_WIDTH))


def _measured(tile: Tile, served: bytes) -> bytes:
    """The hashes or leaves in a tile."""
    if tile.level != ENTRIES:
        found = served
    else:
        step = len(_LENGTH) + HASH_BYTES
        parts = [served[at : at + step] for at in range(0, len(served), step)]
        if not all(part.startswith(_LENGTH) for part in parts):
            raise EvidenceRefused(f"tile {tile.path()} is no bundle of leaves", code="tile_refused")
        found = b"".join(part[len(_LENGTH) :] for part in parts)
    if len(found) != tile.width * HASH_BYTES:
        raise EvidenceRefused(f"tile {tile.path()} has not the length that it must have", code="tile_refused")
    return found
