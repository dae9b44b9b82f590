"""``python -m tests.bench.packs [entries]``: how long an evidence pack takes to write and to verify here, and in how much memory.

A million entries unless told otherwise. Nothing is signed but one head, and no database is asked: this is what the auditor's
machine does, and what the server does beside reading its rows.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from relay.core.merkle import Edge, edge_root, extend, leaf_hash
from relay.core.notes import Checkpoint, Note, signed
from relay.evidence.verifying import verify_pack
from relay.evidence.writing import Contents, PackWriter, zip_pack
from tests.evidence.logs import KEY, ORIGIN, RETENTION, WANTED, entry_at, uses

_AT_ONCE = 256


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory(prefix="packs-") as folder:
        leaves = Path(folder) / "leaves"
        head = _made(count, leaves)
        _timed("written", count, lambda: _written(Path(folder) / "pack", leaves, head, count))
        _timed("zipped", count, lambda: zip_pack(Path(folder) / "pack", Path(folder) / "pack.zip"))
        _timed("verified", count, lambda: _verified(Path(folder) / "pack"))
        _timed("verified as a zip", count, lambda: _verified(Path(folder) / "pack.zip"))


def _made(count: int, leaves: Path) -> Note:
    """All leaves in a file, and the head over them."""
    size = 0
    edge: Edge = ()
    with leaves.open("wb") as stream:
        for first in range(0, count, _AT_ONCE):
            some = [entry_at(n).leaf() for n in range(first, min(first + _AT_ONCE, count))]
            size, edge = extend(size, edge, map(leaf_hash, some))
            stream.write(b"".join(some))
    text = Checkpoint(ORIGIN, size, edge_root(edge)).text()
    return Note(text, (signed(text, KEY.public, KEY.sign),))


def _written(folder: Path, leaves: Path, head: Note, count: int) -> None:
    with PackWriter(folder, Contents(head, uses(KEY), RETENTION)) as writer, leaves.open("rb") as stream:
        while joined := stream.read(_AT_ONCE * 32):
            writer.add_leaves(joined)
        writer.add_entries(map(entry_at, range(count)))
        writer.finish()


def _verified(path: Path) -> None:
    report = verify_pack(path, WANTED)
    if not report.holds:
        raise SystemExit("\n".join(report.lines()))


def _timed(what: str, count: int, work: Callable[[], None]) -> None:
    began, busy = time.perf_counter(), time.process_time()
    work()
    took, busy = time.perf_counter() - began, time.process_time() - busy
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"{count} entries {what}: {took:.1f} s ({busy:.1f} s of a core), {count / took:,.0f} a second, {most} MB at most"
    )


if __name__ == "__main__":
    main()
