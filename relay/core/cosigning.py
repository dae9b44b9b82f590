"""Cosignatures that witnesses hand in: which are taken, and what they say of the log as it is kept now.

A witness's word is that the head it signed contains every head it saw before. So what is kept must have that head's root at that
head's size, for ever: where it has not, it was altered since, and no signature of the keeper's own makes that good.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from relay.core.errors import EvidenceRefused, InvalidInput, Problem
from relay.core.merkle import Hashes, root
from relay.core.notes import (
    Checkpoint,
    KeyType,
    Note,
    NoteKey,
    Signature,
    Verify,
    parse_checkpoint,
    parse_key,
    parse_note,
    proven,
)

#: How far a witness's clock may be ahead of ours.
AHEAD = timedelta(minutes=5)
#: Witnesses of one log. A note with more signatures than a hundred is read by nobody.
MOST_WITNESSES = 20

_LATEST_TIME = int(datetime(9999, 1, 1, tzinfo=UTC).timestamp())


@dataclass(frozen=True, slots=True)
class Word:
    """What a witness has said: ``note`` is the head with the log's signatures, ``signature`` the witness's own."""

    key: NoteKey
    size: int
    note: Note
    signature: Signature
    at: datetime

    def whole(self) -> Note:
        """The head with the witness's signature under it, as it was handed in."""
        return Note(self.note.text, (*self.note.signatures, self.signature))


@dataclass(frozen=True, slots=True)
class Log:
    """A log as it is kept now: its name, its size, and the keys that have signed its heads."""

    origin: str
    size: int
    keys: Collection[NoteKey]


def read_witness(written: str, origin_ends: str) -> NoteKey:
    """The public key of a witness. ``origin_ends``: how the log's own name ends, under which nobody else signs.

    Raises InvalidInput.
    """
    if not written.isprintable():
        raise _refusal("key", "invalid", "must not contain control characters")
    try:
        key = parse_key(written)
    except EvidenceRefused as error:
        raise _refusal("key", "invalid", error.message) from None
    if key.type is not KeyType.COSIGNATURE:
        raise _refusal("key", "not_a_witness", "must be the key of a witness, which signs a time as well")
    if key.name.endswith(origin_ends):
        raise _refusal("key", "invalid", "must be called by another name")
    return key


def words_in(written: str, log: Log, witnesses: Collection[NoteKey], now: datetime, verify: Verify) -> list[Word]:
    """The cosignatures of these witnesses under a head that the log has signed, the newest of each.

    Whether the tree has that head's root is for ``stands`` to ask. Raises InvalidInput; nothing is taken of a note in which
    anything is wrong that a known key should have signed.
    """
    note, head = _head_in(written, log, verify)
    try:
        found = proven(note, witnesses, verify)
    except EvidenceRefused:
        if any((s.name, s.key_id) in _named(witnesses) for s in note.signatures):
            raise _refusal("checkpoint", "signature_wrong", "a witness's signature is wrong") from None
        raise _refusal("checkpoint", "unknown_witness", "no witness of this log has signed it") from None
    latest = min(int((now + AHEAD).timestamp()), _LATEST_TIME)
    if any(one.at is None or one.at > latest for one in found):
        raise _refusal("checkpoint", "dated_ahead", "a witness's signature is dated in the future")
    ours = Note(note.text, _signatures(note, log.keys))
    # Oldest first: of several lines of one witness the last one stays.
    newest = {one.key: one.at or 0 for one in sorted(found, key=lambda one: one.at or 0)}
    return [
        Word(key, head.size, ours, _dated(_signatures(note, [key]), at), datetime.fromtimestamp(at, UTC))
        for key, at in newest.items()
    ]


def _head_in(written: str, log: Log, verify: Verify) -> tuple[Note, Checkpoint]:
    """Raises InvalidInput unless it is a head that this log has signed, of a size that it has."""
    try:
        note = parse_note(written)
        head = parse_checkpoint(note.text)
    except EvidenceRefused as error:
        raise _refusal("checkpoint", "invalid", error.message) from None
    try:
        proven(note, log.keys, verify)
    except EvidenceRefused:
        head = Checkpoint("", 0, b"")
    if head.origin != log.origin or not 0 < head.size <= log.size:
        raise _refusal("checkpoint", "not_our_head", "this is no head that this log has signed")
    return note, head


def _named(keys: Collection[NoteKey]) -> set[tuple[str, bytes]]:
    return {(key.name, key.id) for key in keys}


def _signatures(note: Note, keys: Collection[NoteKey]) -> tuple[Signature, ...]:
    return tuple(s for s in note.signatures if (s.name, s.key_id) in _named(keys))


def _dated(signatures: Sequence[Signature], at: int) -> Signature:
    return next(s for s in signatures if s.signature.startswith(at.to_bytes(8, "big")))


def _refusal(field: str, code: str, message: str) -> InvalidInput:
    return InvalidInput(Problem(field, code, message))


def stands(word: Word, log: Log, hashes: Hashes, verify: Verify) -> bool:
    """Whether a witness has really said this, of the log as it is kept now. ``hashes``: those of its tree."""
    try:
        head = parse_checkpoint(word.note.text)
        proven(word.whole(), [word.key], verify)
        return (
            (head.origin, head.size) == (log.origin, word.size)
            and 0 < head.size <= log.size
            and root(head.size, hashes) == head.root
        )
    except (EvidenceRefused, LookupError):  # a tile may be missing, or too short
        return False


def witnessed(words: Collection[Word]) -> Note | None:
    """The newest head that somebody has witnessed, with every witness's signature under it; None = nobody has."""
    newest = max(words, key=lambda word: (word.size, word.at), default=None)
    if newest is None:
        return None
    same = [word for word in words if word.note.text == newest.note.text]
    lines = [s for word in same for s in word.note.signatures] + [word.signature for word in same]
    return Note(newest.note.text, tuple(dict.fromkeys(lines)))
