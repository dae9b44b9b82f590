"""A log that lives in memory, made of the core's own functions: signed, served as tiles, packed as evidence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from relay.core import tiles
from relay.core.entries import encoded
from relay.core.errors import NotFound
from relay.core.merkle import root
from relay.core.notes import Checkpoint, KeyType, Note, NoteKey, cosigned, signed
from relay.core.pack import KeyUse, PackedEntry
from relay.core.tiles import Growth, Place, Tile, hashes_in
from relay.evidence.verifying import Wanted
from relay.evidence.writing import Contents, PackWriter
from relay.vault.log_keys import verify

ACCOUNT = "acc_agm7ekuesvyabaaaaaaaaaaaa4"
ORIGIN = f"relay.example/log/{ACCOUNT}"
START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
RETENTION: dict[str, object] = {"data": [{"class": "audit_record", "held": 3, "overdue": 0}]}


class LogKey:
    """A key that signs heads, the same for the same word."""

    def __init__(self, word: str, origin: str = ORIGIN) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(sha256(word.encode()).digest())
        self.public = NoteKey(origin, self._private.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        return self._private.sign(message)


class WitnessKey:
    """A key that cosigns heads, the same for the same name."""

    def __init__(self, name: str, secret: str) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(sha256(secret.encode()).digest())
        self.public = NoteKey(name, self._private.public_key().public_bytes_raw(), KeyType.COSIGNATURE)

    def under(self, head: Note, at: int) -> Note:
        """A head with the witness's signature, of so many seconds since 1970, under it."""
        return Note(head.text, (*head.signatures, cosigned(head.text, self.public, self._private.sign, at)))


def witness_named(name: str, secret: str = "") -> WitnessKey:
    return WitnessKey(name, secret or name)


KEY = LogKey("the log's key")
WANTED = Wanted([KEY.public], verify)


def record_at(index: int, account: str = ACCOUNT) -> bytes:
    """The record of an entry: another for every index, one a second."""
    at = START + timedelta(seconds=index)
    return encoded(
        {
            "schema": 1,
            "id": sha256(b"id %d" % index).hexdigest()[:32],
            "time": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "account": account,
            "event": "session.closed",
            "reason": "expired",
            "session": sha256(b"session %d" % (index // 3)).hexdigest()[:32],
        }
    )


def salt_at(index: int) -> bytes:
    return sha256(b"salt %d" % index).digest()


def entry_at(index: int) -> PackedEntry:
    return PackedEntry(index, record_at(index), salt_at(index))


class MadeLog:
    """A log of entries; ``kept`` is what its tiles hold. Serves any size that it has had."""

    def __init__(self, entries: Iterable[PackedEntry] = (), keys: tuple[LogKey, ...] = (KEY,)) -> None:
        self.keys = keys
        self.growth = Growth(0, {})
        self.leaves = bytearray()
        self.shown: Note | None = None
        self.cosigned: Note | None = None
        self.asked: list[str] = []
        self.add(entries)

    @property
    def size(self) -> int:
        return self.growth.size

    def add(self, entries: Iterable[PackedEntry]) -> None:
        for entry in entries:
            leaf = entry.leaf()
            self.leaves += leaf
            self.growth.take([leaf])

    def kept(self) -> dict[Place, bytes]:
        return {place: bytes(tile) for place, tile in self.growth.changed.items()}

    def head(self, size: int | None = None, keys: tuple[LogKey, ...] | None = None) -> Note:
        size = self.size if size is None else size
        origin = self.keys[0].public.name
        text = Checkpoint(origin, size, root(size, hashes_in(self.kept()))).text()
        return Note(text, tuple(signed(text, key.public, key.sign) for key in keys or self.keys))

    async def fetch(self, path: str) -> bytes:
        """What a server answers; NotFound for what it has not."""
        self.asked.append(path)
        if path == "checkpoint?witnessed=true" and self.cosigned is not None:
            return self.cosigned.written().encode()
        if path == "checkpoint":
            return (self.shown or self.head()).written().encode()
        tile = tiles.parse(path.removeprefix("tile/"))
        return self.served(tile)

    def served(self, tile: Tile) -> bytes:
        if not tile.lies_in(self.size):
            raise NotFound
        return tile.cut(bytes(self.growth.changed[tile.place]))


def made_of(size: int, keys: tuple[LogKey, ...] = (KEY,)) -> MadeLog:
    return MadeLog(map(entry_at, range(size)), keys)


def uses(*keys: LogKey, step: int = 0) -> tuple[KeyUse, ...]:
    """A key history, each key from ``step`` entries later on."""
    return tuple(KeyUse(key.public, f"2026-11-2{n}T00:00:00Z", n * step) for n, key in enumerate(keys))


def write_pack(
    folder: Path,
    log: MadeLog,
    *,
    entries: Iterable[PackedEntry] | None = None,
    first: int = 0,
    end: int | None = None,
    keys: tuple[KeyUse, ...] | None = None,
    cosigned: Note | None = None,
) -> Path:
    """The pack of a log, with these entries or those it was made of."""
    contents = Contents(log.head(), uses(*log.keys) if keys is None else keys, RETENTION, first, end, cosigned=cosigned)
    with PackWriter(folder, contents) as writer:
        for piece in _pieces(bytes(log.leaves)):
            writer.add_leaves(piece)
        writer.add_entries(
            map(entry_at, range(first, log.size if end is None else end)) if entries is None else entries
        )
        writer.finish()
    return folder


def _pieces(joined: bytes) -> Iterator[bytes]:
    for at in range(0, len(joined), 8192):
        yield joined[at : at + 8192]


def erased(entry: PackedEntry) -> PackedEntry:
    return PackedEntry(entry.index, None, None, entry.leaf())
