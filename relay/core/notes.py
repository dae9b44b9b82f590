"""Signed notes, checkpoints and cosignatures, to the byte: https://c2sp.org/signed-note, https://c2sp.org/tlog-checkpoint,
https://c2sp.org/tlog-cosignature.

A note is a text and lines that sign it. Nothing is signed or verified here: who does it is given. What a note says counts only
after ``proven`` has found a signature of a key that the reader already trusts.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256

from relay.core.errors import EvidenceRefused
from relay.core.merkle import HASH_BYTES

#: Signs bytes with the private half of the key that it stands for.
Sign = Callable[[bytes], bytes]
#: Whether a signature is right: public key, what was signed, signature.
Verify = Callable[[bytes, bytes, bytes], bool]

PUBLIC_KEY_BYTES = 32
_SIGNATURE_BYTES = 64
_TIME_BYTES = 8
_ID_BYTES = 4
_LONGEST_NOTE = 100_000
_MOST_SIGNATURES = 100
_LARGEST_TREE = (1 << 63) - 1
_LATEST_TIME = (1 << 63) - 1

_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_KEY = re.compile(r"([^+\s]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)", re.ASCII)


class KeyType(IntEnum):
    """How a key signs."""

    ED25519 = 0x01  #: the text itself; what a log does
    COSIGNATURE = 0x04  #: the text and a time; what a witness does


@dataclass(frozen=True, slots=True)
class NoteKey:
    """The public half of a key, with the name that it signs under."""

    name: str
    public: bytes
    type: KeyType = KeyType.ED25519

    @property
    def id(self) -> bytes:
        """Four bytes that tell keys of one name apart. They prove nothing."""
        return sha256(self.name.encode() + b"\n" + self._typed()).digest()[:_ID_BYTES]

    def written(self) -> str:
        """The key as it is handed to whoever shall trust it: ``name+hex id+base64``."""
        return f"{self.name}+{self.id.hex()}+{in_base64(self._typed())}"

    def _typed(self) -> bytes:
        return bytes([self.type]) + self.public


def parse_key(text: str) -> NoteKey:
    """Read a key that was handed over. Raises EvidenceRefused."""
    found = _KEY.fullmatch(text)
    if found is None:
        raise EvidenceRefused("a key is name+id+base64", code="key_refused")
    typed = from_base64(found[3])
    if len(typed) != 1 + PUBLIC_KEY_BYTES or typed[0] not in set(KeyType):
        raise EvidenceRefused("the key is of a kind that is not known here", code="key_refused")
    key = NoteKey(found[1], typed[1:], KeyType(typed[0]))
    if key.written() != text:
        raise EvidenceRefused("the key and its id do not belong together", code="key_refused")
    return key


@dataclass(frozen=True, slots=True)
class Signature:
    """One line under a note."""

    name: str
    key_id: bytes
    signature: bytes

    def written(self) -> str:
        return f"— {self.name} {in_base64(self.key_id + self.signature)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text, with its last newline, and the lines that sign it."""

    text: str
    signatures: tuple[Signature, ...]

    def written(self) -> str:
        return self.text + "\n" + "".join(signature.written() for signature in self.signatures)


def name_is_right(name: str) -> bool:
    """Whether a key, or a log, can be called so."""
    return bool(name) and not re.search(r"[\s+\x00-\x1f\x7f]", name)


def parse_note(written: str) -> Note:
    """Read a note. Raises EvidenceRefused; nothing in it is trusted by that."""
    if len(written) > _LONGEST_NOTE:
        raise EvidenceRefused("the note is too long", code="note_refused")
    head, gap, tail = written.rpartition("\n\n")
    if not gap or not tail.endswith("\n") or any(c < " " and c != "\n" for c in written):
        raise EvidenceRefused("a note is a text, an empty line, and lines that sign it", code="note_refused")
    lines = tail[:-1].split("\n")
    if len(lines) > _MOST_SIGNATURES:
        raise EvidenceRefused("the note has too many signatures", code="note_refused")
    return Note(head + "\n", tuple(map(_parse_signature, lines)))


def _parse_signature(line: str) -> Signature:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    signed = from_base64(encoded)
    if dash != "—" or not name_is_right(name) or len(signed) <= _ID_BYTES:
        raise EvidenceRefused("a line that should sign the note does not", code="note_refused")
    return Signature(name, signed[:_ID_BYTES], signed[_ID_BYTES:])


def signed(text: str, key: NoteKey, sign: Sign) -> Signature:
    """The signature of a key's holder under a text."""
    return Signature(key.name, key.id, sign(text.encode()))


def cosigned(text: str, key: NoteKey, sign: Sign, at: int) -> Signature:
    """A witness's signature under a checkpoint's text. ``at``: seconds since 1970."""
    return Signature(key.name, key.id, at.to_bytes(_TIME_BYTES, "big") + sign(_timed(text, at)))


def _timed(text: str, at: int) -> bytes:
    return f"cosignature/v1\ntime {at}\n{text}".encode()


@dataclass(frozen=True, slots=True)
class Proven:
    """A key has signed a note. ``at``: when, in seconds since 1970, if its kind says so."""

    key: NoteKey
    at: int | None


def proven(note: Note, trusted: Iterable[NoteKey], verify: Verify) -> list[Proven]:
    """Which of these keys have signed the note. Signatures of others are passed over.

    Raises EvidenceRefused when none has, and when a signature that bears a trusted key's name and id is wrong.
    """
    known = {(key.name, key.id): key for key in trusted}
    found = [
        _proven(note, known[named], signature.signature, verify)
        for signature in note.signatures
        if (named := (signature.name, signature.key_id)) in known
    ]
    if not found:
        raise EvidenceRefused("no key that is trusted here has signed this", code="note_refused")
    return found


def _proven(note: Note, key: NoteKey, signature: bytes, verify: Verify) -> Proven:
    timed = key.type is KeyType.COSIGNATURE
    at = int.from_bytes(signature[:_TIME_BYTES], "big") if timed else None
    bare = signature[_TIME_BYTES:] if timed else signature
    message = note.text.encode() if at is None else _timed(note.text, at)
    if len(bare) != _SIGNATURE_BYTES or (at or 0) > _LATEST_TIME or not verify(key.public, message, bare):
        raise EvidenceRefused("a signature is not that of the key whose name it bears", code="note_refused")
    return Proven(key, at)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree's head: which log, how many leaves, which root."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{in_base64(self.root)}\n"


def parse_checkpoint(text: str) -> Checkpoint:
    """Read the text of a note as a checkpoint. Raises EvidenceRefused, also for extension lines: ours have none."""
    lines = text.split("\n")
    if len(lines) != 4 or lines[3] or not lines[0] or not _NUMBER.fullmatch(lines[1]):
        raise EvidenceRefused("a checkpoint is an origin, a size and a root", code="note_refused")
    found = Checkpoint(lines[0], int(lines[1]), from_base64(lines[2]))
    if len(found.root) != HASH_BYTES or found.size > _LARGEST_TREE:
        raise EvidenceRefused("a checkpoint's root has 32 bytes", code="note_refused")
    return found


def parse_number(text: str) -> int:
    """A count or index, in its one spelling. Raises EvidenceRefused."""
    if not _NUMBER.fullmatch(text):
        raise EvidenceRefused("a number is written without sign and without zeros in front")
    return int(text)


def in_base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def from_base64(text: str) -> bytes:
    """Read base64 that has one spelling only. Raises EvidenceRefused."""
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise EvidenceRefused("something that should be base64 is not") from None
    if in_base64(value) != text:  # spare bits, or characters behind the padding
        raise EvidenceRefused("base64 has one spelling for one value")
    return value
