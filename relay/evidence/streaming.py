"""Makes an evidence pack as a zip that is sent while it is made: nothing of it is kept but, in files without a name, what comes
later than it is known. They go with the process.
"""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import IO, BinaryIO

from relay.core import pack
from relay.evidence.writing import Contents, Packing, member

_CHUNK = 1 << 18


class PackStream(Packing):
    """A pack as a zip: ``taken`` after each step is what can be sent. Leaves and entries go at once; the table, whose lines come
    with the entries', waits in a file."""

    def __init__(self, contents: Contents) -> None:
        self._outlet = _Outlet()
        self._archive = zipfile.ZipFile(self._outlet, "w")
        self._leaves: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 - open until ``close``
        self._table: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 - open until ``close``
        self._at: tuple[str, IO[bytes] | None] = "", None
        super().__init__(contents)

    def taken(self) -> bytes:
        """What was made since it was last asked for."""
        return self._outlet.taken()

    def _write(self, name: str, text: bytes) -> None:
        if name == pack.TABLE:
            self._table.write(text)
            return
        if name == pack.LEAVES:
            self._leaves.write(text)
        self._send(name, text)

    def _send(self, name: str, text: bytes) -> None:
        at, stream = self._at
        if stream is None or at != name:
            self._end_file()
            stream = self._archive.open(member(name), "w", force_zip64=True)
            self._at = name, stream
        stream.write(text)

    def _end_file(self) -> None:
        at, stream = self._at
        if stream is not None:
            stream.close()
        self._at = at, None

    def _leaves_again(self) -> AbstractContextManager[BinaryIO]:
        return nullcontext(self._leaves)

    def _complete_table(self) -> Iterator[bool]:
        for name in (pack.LEAVES, pack.ENTRIES):  # where nothing was written, there is an empty file
            if name not in self._archive.NameToInfo:
                self._send(name, b"")
        self._table.seek(0)
        while chunk := self._table.read(_CHUNK):
            self._send(pack.TABLE, chunk)
            yield True

    def _seal(self, sums: bytes) -> None:
        self._send(pack.SUMS, sums)
        self.close()

    def close(self) -> None:
        self._end_file()
        self._archive.close()
        self._leaves.close()
        self._table.close()


class _Outlet(io.RawIOBase):
    """Where the zip is written to: nobody goes back in it, and what was written is taken away."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, text: object) -> int:
        piece = bytes(text)  # type: ignore[call-overload]  # whatever has bytes, as all streams take
        self._pieces.append(piece)
        return len(piece)

    def taken(self) -> bytes:
        found = b"".join(self._pieces)
        self._pieces.clear()
        return found
