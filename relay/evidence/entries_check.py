"""Whether the entries of a pack are what its leaves stand for, in order and without a gap, and its table tells the same."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime, timedelta
from types import TracebackType
from typing import BinaryIO, Self

from relay.core import pack
from relay.core.entries import Record, decoded
from relay.core.errors import EvidenceRefused
from relay.core.pack import About, PackedEntry
from relay.evidence.files import Files, readable
from relay.evidence.report import Check

_NEVER = datetime.min


class EntriesCheck:
    """Reads entries and table along with the leaves. A context manager; what it found stands when it is left.

    ``checks``: of the entries, of the table, of the times.
    """

    def __init__(self, files: Files, about: About, latest: timedelta, checks: tuple[Check, Check, Check]) -> None:
        self._files, self._about, self._latest = files, about, latest
        self._entries, self._table, self._times = checks
        self._open = ExitStack()
        self._lines: BinaryIO | None = None
        self._rows: BinaryIO | None = None
        self._next, self._erased = about.first, 0
        self._newest, self._lag = _NEVER, timedelta()
        self._account = about.origin.rpartition("/")[2]

    def __enter__(self) -> Self:
        self._lines = self._start(pack.ENTRIES, self._entries)
        self._rows = self._start(pack.TABLE, self._table)
        if self._rows is not None and self._row() != pack.table_head():
            self._table.fails(f"{pack.TABLE}:1: the columns are not those of a pack")
        return self

    def _start(self, name: str, check: Check) -> BinaryIO | None:
        try:
            with readable(name):
                return self._open.enter_context(self._files.open(name))
        except EvidenceRefused as error:
            check.fails(error.message)
            return None

    def take(self, first: int, leaves: list[bytes]) -> None:
        """The leaves from ``first`` on."""
        for leaf in leaves[max(self._next - first, 0) : max(self._about.end - first, 0)]:
            if self._lines is None:
                return
            self._compare(self._lines, leaf)
            self._next += 1

    def _compare(self, lines: BinaryIO, leaf: bytes) -> None:
        """One line with its leaf. A line that cannot be read, or is another entry's, ends it: no later line has a place."""
        where = f"{pack.ENTRIES}:{self._next - self._about.first + 1}"
        try:
            with readable(pack.ENTRIES):
                line = lines.readline(pack.LONGEST_LINE)
            entry = pack.parse_entry(line) if line else self._missing()
        except EvidenceRefused as error:
            return self._give_up(f"{where}: {error.message}")
        if entry.index != self._next:
            return self._give_up(f"{where}: entry {entry.index} stands where {self._next} must")
        try:
            if entry.leaf() != leaf:
                self._entries.fails(f"{where}: entry {entry.index} is not what stands in the tree")
            record = None if entry.record is None else decoded(entry.record)
        except EvidenceRefused as error:
            self._entries.fails(f"{where}: {error.message}")
            record = None
        else:
            self._look_into(entry, record, where)
        return None

    def _missing(self) -> PackedEntry:
        raise EvidenceRefused(f"the entries {self._next} up to {self._about.end} are missing", code="pack_refused")

    def _give_up(self, why: str) -> None:
        self._entries.fails(f"{why}; what follows was not looked at")
        self._lines = None

    def _look_into(self, entry: PackedEntry, record: Record | None, where: str) -> None:
        if record is None:
            self._erased += 1
        else:
            if record["account"] != self._account:
                self._entries.fails(f"{where}: the record is another account's")
            self._look_at_time(str(record["time"]), where)
        if self._rows is None:
            return
        try:
            row = self._row()
            if row != pack.table_line(entry.index, record):
                self._table.fails(
                    f"{pack.TABLE}:{self._next - self._about.first + 2}: it tells otherwise than {where}"
                )
        except (EvidenceRefused, ValueError) as error:
            self._table.fails(f"{pack.TABLE}: {error}")
            self._rows = None

    def _row(self) -> bytes:
        assert self._rows is not None
        with readable(pack.TABLE):
            return self._rows.readline(pack.LONGEST_LINE)

    def _look_at_time(self, time: str, where: str) -> None:
        try:
            at = datetime.fromisoformat(time[:-1])
        except ValueError:
            self._times.fails(f"{where}: there is no such time")
            return
        if at >= self._newest:
            self._newest = at
            return
        self._lag = max(self._lag, self._newest - at)
        if self._newest - at > self._latest:
            self._times.fails(f"{where}: dated {time}, {self._newest - at} before an entry ahead of it")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._open:
            self._check_end(self._lines, pack.ENTRIES, self._entries)
            self._check_end(self._rows, pack.TABLE, self._table)
        if self._lines is not None and self._next != self._about.end:
            self._entries.fails(f"{pack.ENTRIES}: the leaves end before entry {self._next}")
        kept = self._next - self._about.first - self._erased
        self._entries.said = f"{kept} records stand where they say, without a gap; of {self._erased} the leaf alone is left"
        self._table.said = f"{pack.TABLE} tells what {pack.ENTRIES} tells"
        self._times.said = f"no entry is dated more than {self._lag} before one ahead of it; nothing else shows a time to be true"

    @staticmethod
    def _check_end(stream: BinaryIO | None, name: str, check: Check) -> None:
        """When all that was expected is read there is no more. Where reading had ended early this has been said already."""
        if stream is None or check.count:
            return
        try:
            with readable(name):
                more = stream.read(1)
        except EvidenceRefused as error:
            check.fails(error.message)
            return
        if more:
            check.fails(f"{name}: there is more behind the last entry")
