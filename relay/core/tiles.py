"""Tiles: how a tree's hashes are cut into files that never change (https://c2sp.org/tlog-tiles).

A tile holds up to 256 hashes of one level; the hash of a full one stands in a tile of the level above. The leaves themselves
stand in entry bundles, cut likewise. Of level 0 nothing is kept, because it is the bundles hashed: so leaf and hash cannot
disagree. A tile that is not full yet is kept too, and grows; how it stood at an earlier size is its beginning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from relay.core.errors import NotFound
from relay.core.merkle import HASH_BYTES, Hashes, Span, extend, leaf_hash, root, subtrees

TILE_WIDTH = 256
_TILE_BITS = 8

#: The level of entry bundles, below all levels of hashes.
ENTRIES = -1

#: No tree of 2**63 leaves has a tile above it.
_HIGHEST = 7
_PATH = re.compile(r"(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/)*)([0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII)
_LONGEST_PATH = 64


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Which tile is kept where: ``ENTRIES`` or a level from 1 on, and its number in that level."""

    level: int
    index: int


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """A tile as it is asked for. ``width``: how many hashes, or leaves, of it."""

    level: int
    index: int
    width: int = TILE_WIDTH

    @property
    def place(self) -> Place:
        """Where to find what it is made of."""
        return Place(ENTRIES if self.level == 0 else self.level, self.index)

    def path(self) -> str:
        """Its path behind ``tile/``, such as ``0/x001/x234/067.p/8``."""
        digits = f"{self.index:03}"
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        level = "entries" if self.level == ENTRIES else str(self.level)
        partial = f".p/{self.width}" if self.width < TILE_WIDTH else ""
        return "/".join([level, *(f"x{group}" for group in groups[:-1]), groups[-1]]) + partial

    def lies_in(self, size: int) -> bool:
        """Whether a tree of this size has so much of it."""
        return self.index * TILE_WIDTH + self.width <= size >> _TILE_BITS * max(self.level, 0)

    def cut(self, kept: bytes) -> bytes:
        """Its bytes, made of what is kept at its place."""
        first = kept[: self.width * HASH_BYTES]
        if self.level == ENTRIES:
            return b"".join(HASH_BYTES.to_bytes(2, "big") + leaf for leaf in split(first))
        return b"".join(map(leaf_hash, split(first))) if self.level == 0 else first


def parse(path: str) -> Tile:
    """Read what stands behind ``tile/``. Raises NotFound when no tile is called so; every tile has one spelling."""
    found = _PATH.fullmatch(path) if len(path) <= _LONGEST_PATH else None
    if found is None:
        raise NotFound
    level = ENTRIES if found[1] == "entries" else int(found[1])
    tile = Tile(level, int(found[2].replace("x", "").replace("/", "") + found[3]), int(found[4] or TILE_WIDTH))
    if level > _HIGHEST or tile.path() != path:
        raise NotFound
    return tile


def tiles_between(old: int, new: int) -> Iterator[Tile]:
    """The tiles that a tree of ``new`` leaves has and one of ``old`` had not, entry bundles first, then level by level."""
    for level in range(ENTRIES, _HIGHEST + 1):
        before, after = (size >> _TILE_BITS * max(level, 0) for size in (old, new))
        if before == after:
            continue
        for index in range(before // TILE_WIDTH, after // TILE_WIDTH):
            yield Tile(level, index)
        if after % TILE_WIDTH:
            yield Tile(level, after // TILE_WIDTH, after % TILE_WIDTH)


def split(joined: bytes) -> list[bytes]:
    """Hashes, or leaves, that were kept one after the other."""
    return [joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES)]


def unfinished(size: int) -> list[Place]:
    """The tiles of a tree that are not full yet: what its growth and its root need."""
    levels = [ENTRIES, *range(1, _HIGHEST + 1)]
    counts = {level: size >> _TILE_BITS * max(level, 0) for level in levels}
    return [Place(level, count // TILE_WIDTH) for level, count in counts.items() if count % TILE_WIDTH]


def places_of(spans: Iterable[Span]) -> set[Place]:
    """Where to find what the hashes over these spans are made of."""
    return {_tile_of(level, index)[0].place for span in spans for level, index in subtrees(span)}


def _tile_of(level: int, index: int) -> tuple[Tile, int]:
    """The tile in which a complete subtree's hashes stand, and the first of them."""
    tile_level, above = divmod(level, _TILE_BITS)
    first = index << above
    return Tile(tile_level, first // TILE_WIDTH), first % TILE_WIDTH


def hashes_in(kept: Mapping[Place, bytes]) -> Hashes:
    """The hashes of complete subtrees, out of what is kept. A bundle is hashed once."""
    cut: dict[Tile, list[bytes]] = {}

    def hashed(level: int, index: int) -> bytes:
        tile, first = _tile_of(level, index)
        if tile not in cut:
            cut[tile] = split(tile.cut(kept[tile.place]))
        return _complete(cut[tile][first : first + (1 << level % _TILE_BITS)])

    return hashed


def _complete(hashes: Sequence[bytes]) -> bytes:
    """The hash over a power of two of hashes."""
    return extend(0, (), hashes)[1][0]


@dataclass(slots=True)
class Growth:
    """A tree that takes leaves. ``kept`` holds the tiles that were unfinished; ``changed`` those to be kept now."""

    size: int
    kept: Mapping[Place, bytes]
    changed: dict[Place, bytearray] = field(default_factory=dict)

    def take(self, leaves: Iterable[bytes]) -> None:
        """Append leaves of 32 bytes."""
        for leaf in leaves:
            self._append(ENTRIES, self.size, leaf)
            self.size += 1

    def _append(self, level: int, number: int, hashed: bytes) -> None:
        place = Place(level, number // TILE_WIDTH)
        tile = self.changed.get(place)
        if tile is None:
            begun = number % TILE_WIDTH * HASH_BYTES
            tile = self.changed[place] = bytearray(self.kept[place][:begun] if begun else b"")
        tile += hashed
        if len(tile) == TILE_WIDTH * HASH_BYTES:
            full = split(bytes(tile))
            over = _complete([leaf_hash(leaf) for leaf in full] if level == ENTRIES else full)
            self._append(max(level, 0) + 1, number // TILE_WIDTH, over)

    def root(self) -> bytes:
        """The root of the tree as it is now."""
        return root(self.size, hashes_in({**self.kept, **{place: bytes(tile) for place, tile in self.changed.items()}}))
