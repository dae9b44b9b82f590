"""What stands in an evidence pack, to the byte. docs/audit-log.md tells a stranger the same.

A pack holds a run of entries without a gap, all leaves of the log from 0 on, and the signed head over them: so neither a pack of
the whole log nor one of a week needs a single proof, and nothing can be left out of the middle of either. Of the same log at the
same size the same pack is made, byte for byte.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise

from relay.core.entries import Record, leaf_of
from relay.core.errors import EvidenceRefused
from relay.core.merkle import HASH_BYTES
from relay.core.notes import NoteKey, from_base64, in_base64, parse_key, parse_number

FORMAT = 1

ENTRIES, TABLE, LEAVES, HEAD = "entries.jsonl", "entries.csv", "leaves", "checkpoint"
COSIGNED = "cosigned"
ABOUT, KEYS, RETENTION, README, SUMS = "pack.json", "keys.txt", "retention.json", "README.txt", "SHA256SUMS"

#: What SHA256SUMS lists, in its order: that of the names' bytes. Where a head was witnessed, also ``COSIGNED``.
LISTED = (README, HEAD, TABLE, ENTRIES, KEYS, LEAVES, ABOUT, RETENTION)
LISTED_WITNESSED = (README, HEAD, COSIGNED, TABLE, ENTRIES, KEYS, LEAVES, ABOUT, RETENTION)

#: Bytes that a line of entries may have, its newline counted.
LONGEST_LINE = 8_192
#: Bytes that any of the small files may have.
LONGEST_FILE = 1_000_000

#: The columns of the table: the index, whether the entry is still there, and what a record may say.
COLUMNS = (
    *(
        "index",
        "state",
        "time",
        "account",
        "event",
        "reason",
        "direction",
        "segments",
        "number",
        "provider",
        "country",
        "rule",
    ),
    *("session", "participant", "message", "verification", "id", "schema"),
)

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", re.ASCII)
_SUM = re.compile(r"([0-9a-f]{64})  ([A-Za-z0-9.]+)", re.ASCII)
#: What a spreadsheet takes for the beginning of a formula, also in the wide forms of East Asian keyboards.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_NEEDS_QUOTES = re.compile(r"[^A-Za-z0-9_.:-]")


@dataclass(frozen=True, slots=True)
class PackedEntry:
    """One entry: its record and salt, or, when they are erased, the leaf that stays."""

    index: int
    record: bytes | None
    salt: bytes | None
    erased_leaf: bytes | None = None

    def leaf(self) -> bytes:
        """What stands for it in the tree. Raises EvidenceRefused when its parts have not the length they must have."""
        if self.record is not None and self.salt is not None:
            return leaf_of(self.salt, self.record)
        if self.erased_leaf is None or len(self.erased_leaf) != HASH_BYTES:
            raise EvidenceRefused("an entry is a record with its salt, or a leaf of 32 bytes", code="pack_refused")
        return self.erased_leaf

    def written(self) -> bytes:
        """Its line."""
        if self.record is None or self.salt is None:
            return b'{"index":%d,"leaf":"%s"}\n' % (self.index, in_base64(self.leaf()).encode())
        record = self.record.replace(b'"', b'\\"')  # all that JSON escapes of what a record may be made of
        return b'{"index":%d,"record":"%s","salt":"%s"}\n' % (self.index, record, in_base64(self.salt).encode())


def parse_entry(line: bytes) -> PackedEntry:
    """Read a line. Raises EvidenceRefused, also when it is spelled otherwise than ``written`` does."""
    try:
        found = json.loads(line)
        index, record = found["index"], found.get("record")
        if record is None:
            entry = PackedEntry(index, None, None, from_base64(found["leaf"]))
        else:
            entry = PackedEntry(index, record.encode("ascii"), from_base64(found["salt"]))
        if type(index) is int and index >= 0 and entry.written() == line:
            return entry
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, EvidenceRefused):
        pass
    raise EvidenceRefused("this is not a line of entries", code="pack_refused")


def table_head() -> bytes:
    """The first line of the table."""
    return (",".join(COLUMNS) + "\r\n").encode()


def table_line(index: int, record: Record | None) -> bytes:
    """An entry's line in the table (RFC 4180). ``record`` None: it is erased.

    Raises ValueError for a record that says more than the table has columns for.
    """
    if record is None:
        return b"%d,erased%s\r\n" % (index, b"," * (len(COLUMNS) - 2))
    said = {"index": index, "state": "kept", **record}
    if len(said) != len(record) + 2 or not said.keys() <= _COLUMNS:
        raise ValueError("a record says what the table has no column for")
    return (",".join([cell(said[name]) if name in said else "" for name in COLUMNS]) + "\r\n").encode()


_COLUMNS = set(COLUMNS)


def cell(value: str | int) -> str:
    """A value in the table. What a spreadsheet would take for a formula gets an apostrophe in front, and is text then."""
    text = str(value)
    if text.startswith(_FORMULA):
        text = "'" + text
    if _NEEDS_QUOTES.search(text):
        return '"' + text.replace('"', '""') + '"'
    return text


@dataclass(frozen=True, slots=True)
class About:
    """What a pack is said to hold: the entries ``first`` up to, not including, ``end``, of a log of ``size``.

    ``since``, ``until``: the times that were asked for; every entry between them is in that run.
    """

    origin: str
    size: int
    first: int
    end: int
    since: str | None = None
    until: str | None = None

    def written(self) -> bytes:
        return document(
            {
                "end": self.end,
                "first": self.first,
                "format": FORMAT,
                "origin": self.origin,
                "since": self.since,
                "size": self.size,
                "until": self.until,
            }
        )


def parse_about(written: bytes) -> About:
    """Read it. Raises EvidenceRefused."""
    try:
        found = json.loads(written)
        about = About(*(found[name] for name in ("origin", "size", "first", "end", "since", "until")))
        if about.written() == written and _is_right(about):
            return about
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    raise EvidenceRefused("it does not say which entries are in the pack", code="pack_refused")


def _is_right(about: About) -> bool:
    counts = (about.first, about.end, about.size)
    times = [time for time in (about.since, about.until) if time is not None]
    return (
        isinstance(about.origin, str)
        and all(type(count) is int for count in counts)
        and 0 <= about.first <= about.end <= about.size
        and all(isinstance(time, str) and _TIME.fullmatch(time) for time in times)
    )


def document(said: Mapping[str, object]) -> bytes:
    """A JSON document as the pack has it: names sorted, two blanks deep, a newline at the end, in ASCII."""
    return (json.dumps(said, sort_keys=True, indent=2, ensure_ascii=True) + "\n").encode()


@dataclass(frozen=True, slots=True)
class KeyUse:
    """A key that has signed the log's heads: since when, and from which size on."""

    key: NoteKey
    since: str
    first_size: int

    def written(self) -> str:
        return f"{self.key.written()} {self.since} {self.first_size}\n"


def written_keys(uses: Iterable[KeyUse]) -> bytes:
    """The key history, oldest first."""
    return "".join(use.written() for use in uses).encode()


def parse_keys(written: bytes) -> list[KeyUse]:
    """Read a key history. Raises EvidenceRefused, also when it is not in the order of sizes, or lists a key twice."""
    try:
        uses = [_parse_key_use(line) for line in written.decode().splitlines()]
    except ValueError:
        raise EvidenceRefused("the key history is not text", code="pack_refused") from None
    rising = all(older.first_size <= newer.first_size for older, newer in pairwise(uses))
    if written_keys(uses) != written or not rising or len({use.key for use in uses}) != len(uses):
        raise EvidenceRefused("the key history is one line a key, oldest first", code="pack_refused")
    return uses


def _parse_key_use(line: str) -> KeyUse:
    words = line.split(" ")
    if len(words) != 3 or not _TIME.fullmatch(words[1]):
        raise EvidenceRefused("a line of the key history is a key, a time and a size", code="pack_refused")
    return KeyUse(parse_key(words[0]), words[1], parse_number(words[2]))


def written_sums(sums: Mapping[str, str]) -> bytes:
    """The list that ``sha256sum -c`` reads. ``sums``: hexadecimal, by name."""
    listed = LISTED_WITNESSED if COSIGNED in sums else LISTED
    return "".join(f"{sums[name]}  {name}\n" for name in listed).encode()


def parse_sums(written: bytes) -> dict[str, str]:
    """Read the list. Raises EvidenceRefused unless it lists every file of a pack, once and in order."""
    lines = written.decode("ascii", "replace").split("\n")
    found = [match for line in lines[:-1] if (match := _SUM.fullmatch(line))]
    sums = {match[2]: match[1] for match in found}
    if tuple(sums) not in {LISTED, LISTED_WITNESSED} or written_sums(sums) != written:
        raise EvidenceRefused("it does not list every file of a pack, one a line", code="pack_refused")
    return sums


def strangers(names: Sequence[str]) -> list[str]:
    """Names of files that no pack has, or has once only."""
    expected = {*LISTED_WITNESSED, SUMS}
    return sorted({name for name in names if name not in expected or names.count(name) > 1})


def digest(parts: Iterable[bytes]) -> str:
    """What the list of sums says of a file."""
    hashed = sha256()
    for part in parts:
        hashed.update(part)
    return hashed.hexdigest()
