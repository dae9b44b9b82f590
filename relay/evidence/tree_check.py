"""Whether a pack's leaves make up the root that is signed; hands every leaf on to whoever compares it with its entry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from relay.core import pack
from relay.core.errors import EvidenceRefused
from relay.core.merkle import HASH_BYTES, Edge, edge_root, extend, leaf_hash
from relay.core.notes import Checkpoint
from relay.core.tiles import split
from relay.evidence.files import Files, readable
from relay.evidence.report import Check

_AT_ONCE = 4096  # leaves


@dataclass(slots=True)
class RootAt:
    """The root of a log's first ``size`` leaves, when they have come by."""

    size: int
    root: bytes | None = None

    def __post_init__(self) -> None:
        if self.size == 0:
            self.root = edge_root(())

    def look(self, first: int, edge: Edge, hashed: list[bytes]) -> None:
        """The hashes of leaves from ``first`` on, and the edge of the tree before them."""
        if first < self.size <= first + len(hashed):
            self.root = edge_root(extend(first, edge, hashed[: self.size - first])[1])


class Leaves(Protocol):
    """Takes all leaves of a log, in order."""

    def take(self, first: int, leaves: list[bytes]) -> None:
        """Leaves from this index on."""
        ...


def check_tree(
    files: Files, head: Checkpoint, check: Check, onward: Leaves, earlier: RootAt, progress: Callable[[int, int], None]
) -> int:
    """Hash all leaves; answer how many there were. Never reads more of them than the head has. ``earlier`` is told of all."""
    size = 0
    edge: Edge = ()
    try:
        with readable(pack.LEAVES), files.open(pack.LEAVES) as stream:
            while size < head.size and (joined := stream.read(min(_AT_ONCE, head.size - size) * HASH_BYTES)):
                leaves = split(joined)
                onward.take(size, leaves)
                hashed = list(map(leaf_hash, leaves))
                earlier.look(size, edge, hashed)
                size, edge = extend(size, edge, hashed)
                progress(size, head.size)
            rest = stream.read(1)
    except EvidenceRefused as error:
        check.fails(error.message)
        return size
    if size != head.size or rest or len(joined if size else b"") % HASH_BYTES:
        check.fails(f"{pack.LEAVES}: it has not 32 bytes for each of {head.size} entries")
    elif edge_root(edge) != head.root:
        check.fails(f"{pack.LEAVES}: the leaves do not make up the root in {pack.HEAD}")
    check.said = f"{size} leaves make up the root in {pack.HEAD}"
    return size
