"""Writes an evidence pack, piece by piece: memory stays the same however long the log is, and a pack that would not verify is
refused while it is made. Everything here blocks; whoever has an event loop calls it from a thread.
"""

from __future__ import annotations

import os
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Self

from relay.core import pack, pack_readme
from relay.core.entries import decoded
from relay.core.errors import EvidenceRefused
from relay.core.merkle import HASH_BYTES, Edge, edge_root, extend, leaf_hash
from relay.core.notes import Note, parse_checkpoint
from relay.core.pack import About, KeyUse, PackedEntry
from relay.core.tiles import split
from relay.evidence.files import Folder, chunks

#: No zip remembers an earlier time; the true one would make two packs of one log differ.
_NO_TIME = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Contents:
    """What is known of a pack before its first entry. ``retention``: a JSON document. ``end`` None: up to the head.

    ``cosigned``: the newest head that was witnessed by then.
    """

    checkpoint: Note
    keys: tuple[KeyUse, ...]
    retention: dict[str, object]
    first: int = 0
    end: int | None = None
    since: str | None = None
    until: str | None = None
    cosigned: Note | None = None

    def about(self) -> About:
        head = parse_checkpoint(self.checkpoint.text)
        end = head.size if self.end is None else self.end
        return About(head.origin, head.size, self.first, end, self.since, self.until)


class Packing(ABC):
    """Makes a pack, wherever its files go: all leaves, then the entries, then ``finish``. A context manager; what it leaves
    behind without ``finish`` has no SHA256SUMS, and no reader takes it for a pack."""

    def __init__(self, contents: Contents) -> None:
        self._contents, self.about = contents, contents.about()
        self._size = 0
        self._edge: Edge = ()
        self._is_whole = False
        self._next = self.about.first
        listed = pack.LISTED if contents.cosigned is None else pack.LISTED_WITNESSED
        self._sums = {name: sha256() for name in listed}
        self._put(pack.TABLE, pack.table_head())

    def add_leaves(self, joined: bytes) -> None:
        """Leaves of 32 bytes one after the other, from the log's first on; however many at a time."""
        self._put(pack.LEAVES, joined)
        self._size, self._edge = extend(self._size, self._edge, map(leaf_hash, split(joined)))

    def add_entries(self, entries: Iterable[PackedEntry]) -> None:
        """The entries of the pack's run, in order, when all leaves are there. Raises EvidenceRefused for one that is not what
        stands in the tree, or not the next."""
        if self._size != self.about.size:
            raise EvidenceRefused("all leaves come before the entries", code="pack_refused")
        if not self._is_whole:
            self._check_root()
        with self._leaves_again() as leaves:
            leaves.seek(self._next * HASH_BYTES)
            for entry in entries:
                self._add(entry, leaves.read(HASH_BYTES))

    def _check_root(self) -> None:
        if edge_root(self._edge) != parse_checkpoint(self._contents.checkpoint.text).root:
            raise EvidenceRefused("the leaves are not those of the checkpoint", code="pack_refused")
        self._is_whole = True

    def _add(self, entry: PackedEntry, leaf: bytes) -> None:
        if entry.index != self._next or self._next >= self.about.end or entry.leaf() != leaf:
            raise EvidenceRefused(f"entry {entry.index} is not what comes next in the log", code="pack_refused")
        self._put(pack.ENTRIES, entry.written())
        self._put(pack.TABLE, pack.table_line(entry.index, None if entry.record is None else decoded(entry.record)))
        self._next += 1

    def finish(self) -> None:
        """Write the rest; afterwards it is a pack. Raises EvidenceRefused when entries are missing."""
        for _ in self.finishing():
            pass

    def finishing(self) -> Iterator[bool]:
        """The same, little by little: True after each step."""
        self.add_entries(())
        if self._next != self.about.end:
            raise EvidenceRefused("entries are missing", code="pack_refused")
        yield from self._complete_table()
        small = {
            pack.README: pack_readme.TEXT.encode(),
            pack.HEAD: self._contents.checkpoint.written().encode(),
            pack.KEYS: pack.written_keys(self._contents.keys),
            pack.ABOUT: self.about.written(),
            pack.RETENTION: pack.document(self._contents.retention),
        }
        if self._contents.cosigned is not None:
            small[pack.COSIGNED] = self._contents.cosigned.written().encode()
        for name, text in small.items():
            self._put(name, text)
        self._seal(pack.written_sums({name: hashed.hexdigest() for name, hashed in self._sums.items()}))
        yield True

    def _put(self, name: str, text: bytes) -> None:
        self._sums[name].update(text)
        self._write(name, text)

    @abstractmethod
    def _write(self, name: str, text: bytes) -> None:
        """Add to a file."""

    @abstractmethod
    def _leaves_again(self) -> AbstractContextManager[BinaryIO]:
        """All leaves, to be read."""

    @abstractmethod
    def _complete_table(self) -> Iterator[bool]:
        """Put the table in its place if it is not there yet; True after each step."""

    @abstractmethod
    def _seal(self, sums: bytes) -> None:
        """Write SHA256SUMS, when all else is written."""

    @abstractmethod
    def close(self) -> None:
        """Close what is open. A pack that is not finished stays unfinished."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class PackWriter(Packing):
    """Writes a pack into an empty folder."""

    def __init__(self, folder: Path, contents: Contents) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._open = {name: self._new(name) for name in (pack.LEAVES, pack.ENTRIES, pack.TABLE)}
        super().__init__(contents)

    def _write(self, name: str, text: bytes) -> None:
        if name not in self._open:
            self._open[name] = self._new(name)
        self._open[name].write(text)

    def _leaves_again(self) -> AbstractContextManager[BinaryIO]:
        self._open[pack.LEAVES].flush()
        return (self._folder / pack.LEAVES).open("rb")

    def _complete_table(self) -> Iterator[bool]:
        return iter(())

    def _seal(self, sums: bytes) -> None:
        self.close()
        with self._new(pack.SUMS) as stream:
            stream.write(sums)
            stream.flush()
            os.fsync(stream.fileno())

    def close(self) -> None:
        for stream in self._open.values():
            stream.close()

    def _new(self, name: str) -> BinaryIO:
        try:
            return (self._folder / name).open("xb")
        except FileExistsError:
            raise EvidenceRefused(
                f"{self._folder} is not empty: {name} is there already", code="pack_refused"
            ) from None


def member(name: str) -> zipfile.ZipInfo:
    """A file of a pack as a zip has it. Not compressed: leaves and salts do not get smaller, and how the rest would be compressed
    depends on who does it."""
    found = zipfile.ZipInfo(name, _NO_TIME)
    found.external_attr = 0o644 << 16
    return found


def zip_pack(folder: Path, into: Path) -> None:
    """Put a finished pack into one file."""
    with zipfile.ZipFile(into, "x") as archive:
        for name in (*pack.LISTED_WITNESSED, pack.SUMS):
            if name == pack.COSIGNED and not (folder / name).exists():
                continue
            with archive.open(member(name), "w", force_zip64=True) as target:
                for chunk in chunks(Folder(folder), name):
                    target.write(chunk)
