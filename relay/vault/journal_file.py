"""The journal beside the keyring: a file that tells which sessions have ended, for a database that has forgotten it.

One entry a line, numbered, only ever added to, durable before anybody counts on it. A line that was cut short by a crash is
the last one, and is written over by the next.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO
from uuid import UUID, uuid4

from relay.core.errors import KeyringRefused
from relay.core.journal import Entry
from relay.core.model import CloseReason

_FORMAT = 1
_OPEN = "open"  # in place of a reason to close: a session that goes on after all
_TAIL = 4096  # bytes: longer than a line


@dataclass(frozen=True, slots=True)
class End:
    """Which journal, and the number of its last entry; 0 = it has none."""

    journal_id: UUID
    position: int


@dataclass(frozen=True, slots=True)
class JournalFile:
    """Several processes may write one file: they wait for each other. Errors are KeyringRefused, with what to do."""

    path: Path

    def end(self) -> End | None:
        """None when there is no journal yet."""
        if not self.path.exists():
            return None
        with self._opened() as file:
            return _end(file)[0]

    def append(self, entries: Sequence[Entry]) -> End:
        """Add entries, durably. The first one makes the file."""
        with self._opened() as file:
            end, length = _end(file)
            lines = [_line(end.position + n, entry) for n, entry in enumerate(entries, start=1)]
            file.truncate(length)
            file.seek(length)
            file.write(b"".join(lines))
            file.flush()
            os.fsync(file.fileno())
            return End(end.journal_id, end.position + len(lines))

    def after(self, position: int) -> list[Entry]:
        """The entries with higher numbers, in order."""
        if not self.path.exists():
            return []
        with self._opened() as file:
            return [entry for number, entry in _entries(file) if number > position]

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        try:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
            with os.fdopen(handle, "r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                if os.fstat(file.fileno()).st_size == 0:
                    _begin(file, self.path.parent)
                yield file
        except OSError as error:
            raise KeyringRefused(f"the journal {self.path} cannot be used: {error.strerror}") from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise KeyringRefused(
                f"{self.path} is not a journal that this version can read: restore it with the keyring"
            ) from None


def _begin(file: BinaryIO, folder: Path) -> None:
    file.write(json.dumps({"relay_journal": _FORMAT, "id": str(uuid4())}).encode() + b"\n")
    file.flush()
    os.fsync(file.fileno())
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    file.seek(0)


def _end(file: BinaryIO) -> tuple[End, int]:
    """The last entry, and how long the file is up to its end. Looks at no more than the end of a long file."""
    journal_id, _ = _header(file)
    start = max(0, file.seek(0, os.SEEK_END) - _TAIL)
    file.seek(start)
    tail = file.read()
    whole = tail[: tail.rindex(b"\n") + 1]
    last = json.loads(whole[:-1].rpartition(b"\n")[2])
    return End(journal_id, last.get("n", 0)), start + len(whole)


def _header(file: BinaryIO) -> tuple[UUID, int]:
    file.seek(0)
    line = file.readline()
    header = json.loads(line)
    if header["relay_journal"] != _FORMAT:
        raise ValueError("format")
    return UUID(header["id"]), len(line)


def _entries(file: BinaryIO) -> Iterator[tuple[int, Entry]]:
    """Each with its number. A last line without an end was never counted on."""
    file.seek(_header(file)[1])
    for line in file:
        if line.endswith(b"\n"):
            told = json.loads(line)
            yield (
                told["n"],
                Entry(
                    UUID(told["session"]),
                    None if told["reason"] == _OPEN else CloseReason(told["reason"]),
                    datetime.fromisoformat(told["at"]),
                    told.get("seating", 0),
                    told.get("people_since", 0),
                ),
            )


def _line(number: int, entry: Entry) -> bytes:
    told = {
        "n": number,
        "session": str(entry.session_id),
        "reason": str(entry.reason or _OPEN),
        "at": entry.at.isoformat(),
        "seating": entry.seating,
        "people_since": entry.people_since,
    }
    return json.dumps(told).encode() + b"\n"
