"""Whether the entries of a pack are what its leaves stand for, in order and without a gap, and its table tells the same."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import BinaryIO, Self

from relay.core import pack
from relay.core.entries import Record, decoded
from relay.core.errors import EvidenceRefused
from relay.core.pack import About, PackedEntry
from relay.evidence.files import Files, readable
from relay.evidence.report import Check

_NEVER = datetime.min.replace(tzinfo=UTC)


class _Lines:
    """One file, line by line, as long as its lines are where they must be. ``number``: of the line that was read last."""

    def __init__(self, name: str, check: Check) -> None:
        self.name, self.check, self.number = name, check, 0
        self._stream: BinaryIO | None = None

    def start(self, files: Files, until: ExitStack) -> None:
        try:
            with readable(self.name):
                self._stream = until.enter_context(files.open(self.name))
        except EvidenceRefused as error:
            self.give_up(error.message)

    @property
    def goes_on(self) -> bool:
        return self._stream is not None

    def next(self) -> bytes:
        """A line; nothing when there is no more. Raises EvidenceRefused."""
        self.number += 1
        with readable(self.name):
            return self._stream.readline(pack.LONGEST_LINE) if self._stream is not None else b""

    def fails(self, what: str) -> None:
        self.check.fails(f"{self.name}:{self.number}: {what}")

    def give_up(self, why: str) -> None:
        """Read no further: no later line would be known for what it is."""
        self.check.fails(f"{self.name}:{self.number}: {why}; what follows was not looked at" if self.number else why)
        self._stream = None

    def end(self) -> None:
        """When all that was expected is read there is no more."""
        try:
            if self.goes_on and self.next():
                self.fails("there is more behind the last entry")
        except EvidenceRefused as error:
            self.give_up(error.message)


class EntriesCheck:
    """Reads entries and table along with the leaves. A context manager; what it found stands when it is left.

    ``checks``: of the entries, of the table, of the times.
    """

    def __init__(self, files: Files, about: About, latest: timedelta, checks: tuple[Check, Check, Check]) -> None:
        self._files, self._about, self._latest = files, about, latest
        self._entries, self._table = _Lines(pack.ENTRIES, checks[0]), _Lines(pack.TABLE, checks[1])
        self._times = checks[2]
        self._open = ExitStack()
        self._next, self._erased = about.first, 0
        self._newest, self._lag = _NEVER, timedelta()
        self._account = about.origin.rpartition("/")[2]

    def __enter__(self) -> Self:
        for lines in (self._entries, self._table):
            lines.start(self._files, self._open)
        self._compare_row(pack.table_head())
        return self

    def take(self, first: int, leaves: list[bytes]) -> None:
        """The leaves from ``first`` on."""
        for leaf in leaves[max(self._next - first, 0) : max(self._about.end - first, 0)]:
            if not self._entries.goes_on:
                return
            try:
                entry = self._read()
            except EvidenceRefused as error:
                self._entries.give_up(error.message)
                return
            self._next += 1
            self._look_at(entry, leaf)

    def _read(self) -> PackedEntry:
        """The next entry. Raises EvidenceRefused when that is not what comes next."""
        line = self._entries.next()
        if not line:
            raise EvidenceRefused(f"the entries from {self._next} up to {self._about.end} are missing")
        entry = pack.parse_entry(line)
        if entry.index != self._next:
            raise EvidenceRefused(f"entry {entry.index} stands where {self._next} must")
        return entry

    def _look_at(self, entry: PackedEntry, leaf: bytes) -> None:
        try:
            if entry.leaf() != leaf:
                self._entries.fails(f"entry {entry.index} is not what stands in the tree")
            record = None if entry.record is None else decoded(entry.record)
            row = pack.table_line(entry.index, record)
        except (EvidenceRefused, ValueError) as error:
            self._entries.fails(str(error))
            row = None
        else:
            self._look_into(record)
        self._compare_row(row)

    def _look_into(self, record: Record | None) -> None:
        if record is None:
            self._erased += 1
            return
        if record["account"] != self._account:
            self._entries.fails("the record is another account's")
        self._look_at_time(str(record["time"]))

    def _look_at_time(self, time: str) -> None:
        where = f"{pack.ENTRIES}:{self._entries.number}"
        try:
            at = datetime.fromisoformat(time)
        except ValueError:
            self._times.fails(f"{where}: there is no such time")
            return
        if at >= self._newest:
            self._newest = at
            return
        self._lag = max(self._lag, self._newest - at)
        if self._newest - at > self._latest:
            self._times.fails(f"{where}: dated {time}, {self._newest - at} before an entry ahead of it")

    def _compare_row(self, expected: bytes | None) -> None:
        """The next line of the table. ``expected`` None: what should be there cannot be told."""
        if not self._table.goes_on:
            return
        try:
            found = self._table.next()
        except EvidenceRefused as error:
            self._table.give_up(error.message)
            return
        if not found.endswith(b"\r\n"):
            self._table.give_up("a line is missing, or not one of a table")
        elif expected is not None and found != expected:
            self._table.fails(f"it does not tell what {pack.ENTRIES} tells")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._open:
            if self._entries.goes_on and self._next != self._about.end:
                self._entries.give_up(f"the leaves end before entry {self._next}")
            for lines in (self._entries, self._table):
                lines.end()
        if not self._entries.goes_on:
            self._table.check.leave_out(f"{pack.ENTRIES} could not be read to its end")
        kept = self._next - self._about.first - self._erased
        self._entries.check.said = (
            f"{kept} records stand where they say, without a gap; of {self._erased} the leaf alone is left"
        )
        if not self._table.check.left_out:
            self._table.check.said = f"{pack.TABLE} tells what {pack.ENTRIES} tells"
        self._times.said = (
            f"no entry is dated more than {self._lag} before one ahead of it; that is all that is checked"
        )
