"""Verifies a log as it is served, without its records: the signature, every leaf, every tile, and that it only grew."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from relay.core.errors import EvidenceRefused
from relay.core.merkle import Edge, edge_root, extend, leaf_hash
from relay.core.notes import Checkpoint, Note
from relay.core.tiles import ENTRIES, TILE_WIDTH, Growth, Place, Tile, split, tiles_between
from relay.core.witnessing import head_of
from relay.evidence import witness_check
from relay.evidence.report import Report
from relay.evidence.served import AT_ONCE, ServedLog
from relay.evidence.tree_check import RootAt
from relay.evidence.verifying import Progress, Wanted


async def verify_served(
    log: ServedLog, wanted: Wanted, seen: Note | None, progress: Progress = lambda done, size: None
) -> Report:
    """Check everything that a log serves. ``seen``: a head that it had signed before. Raises TryLater when it does not answer."""
    report = Report()
    check = report.check("signature")
    try:
        head = head_of(await log.head(), wanted.keys, wanted.verify)
        before = None if seen is None else head_of(seen, wanted.keys, wanted.verify)
    except EvidenceRefused as error:
        check.fails(error.message)
        return report
    check.said = f"{head.origin} has signed {head.size} entries"
    witnessed = await witness_check.begin_served(log, wanted.witnesses, head, wanted.verify, report)
    earlier = None if before is None else RootAt(before.size)
    walk = _Walk(log, head.size, [mark for mark in (earlier, witnessed.earlier) if mark is not None])
    tree, tiles = report.check("tree"), report.check("tiles")
    try:
        await walk.through_leaves(progress, tiles.fails)
        if walk.root() != head.root:
            tree.fails("the leaves that are served do not make up the root that is signed")
        await walk.through_hashes(tiles.fails)
    except EvidenceRefused as error:
        tree.fails(error.message)
    tree.said = f"{walk.size} leaves make up the root that is signed"
    tiles.said = "every tile holds the hashes of these leaves"
    report.entries = walk.size
    _check_growth(report, head, before, earlier)
    witnessed.end()
    return report


def _check_growth(report: Report, head: Checkpoint, before: Checkpoint | None, earlier: RootAt | None) -> None:
    check = report.check("growth")
    if before is None:
        check.said = "no earlier head was given to compare with"
    elif before.origin != head.origin:
        check.fails("the head that was seen is another log's")
    elif before.size > head.size:
        check.fails(f"the log had signed {before.size} entries, and now shows {head.size}")
    elif earlier is None or earlier.root != before.root:
        check.fails(f"the log is not the one whose {before.size} entries were signed: it was altered")
    check.said = check.said or f"the {before.size if before else 0} entries seen earlier are still its beginning"


class _Walk:
    """Through all leaves and tiles of a log. Full bundles are let go; what is kept grows by 32 bytes for 256 leaves."""

    def __init__(self, log: ServedLog, size: int, earlier: Sequence[RootAt]) -> None:
        self._log, self._whole, self._earlier = log, size, earlier
        self._growth = Growth(0, {})
        self._edge: Edge = ()

    @property
    def size(self) -> int:
        """How many leaves were read."""
        return self._growth.size

    def root(self) -> bytes:
        return edge_root(self._edge)

    async def through_leaves(self, progress: Progress, wrong: Callable[[str], None]) -> None:
        """Read all bundles, some at a time, and the hashes that are served of them. Raises EvidenceRefused."""
        bundles = [tile for tile in tiles_between(0, self._whole) if tile.level == ENTRIES]
        for at in range(0, len(bundles), AT_ONCE):
            some = bundles[at : at + AT_ONCE]
            hashes = [Tile(0, tile.index, tile.width) for tile in some]
            read = await self._log.tiles([*some, *hashes])
            for tile, leaves, served in zip(hashes, read[: len(some)], read[len(some) :], strict=True):
                if tile.cut(leaves) != served:
                    wrong(f"tile {tile.path()} does not hold the hashes of its leaves")
                self._take(split(leaves))
            progress(self.size, self._whole)

    def _take(self, leaves: list[bytes]) -> None:
        first, hashed = self.size, [leaf_hash(leaf) for leaf in leaves]
        for mark in self._earlier:
            mark.look(first, self._edge, hashed)
        _, self._edge = extend(first, self._edge, hashed)
        self._growth.take(leaves)
        self._growth.changed.pop(Place(ENTRIES, first // TILE_WIDTH))

    async def through_hashes(self, wrong: Callable[[str], None]) -> None:
        """Read all tiles of the levels above. Raises EvidenceRefused."""
        for tile in tiles_between(0, self._whole):
            if tile.level > 0:
                (served,) = await self._log.tiles([tile])
                if served != bytes(self._growth.changed[tile.place]):
                    wrong(f"tile {tile.path()} does not hold the hashes of the tiles below it")
