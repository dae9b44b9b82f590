"""What a witness makes of a log's head beside the one it saw before, and the proof that a log has two stories.

Whoever signs a head promises that every later head's tree begins with this one's. Two signed heads that break the promise are
proof, for anybody and without the log's help: of equal size, by their roots; else by what the larger tree has at the smaller
size, with a consistency proof from that to the larger head.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from relay.core import merkle
from relay.core.errors import EvidenceRefused
from relay.core.notes import (
    Checkpoint,
    Note,
    NoteKey,
    Verify,
    from_base64,
    in_base64,
    parse_checkpoint,
    parse_note,
    proven,
)

_FORMAT = "relay audit fork 1"


class Verdict(Enum):
    """What became of a log since it was seen last."""

    SAME = "same"
    GREW = "grew"
    OLDER = "older"  #: an earlier head of the same log
    FORKED = "forked"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of a log. ``root`` and ``path``: what the larger tree has at the smaller size, and how that is proven."""

    verdict: Verdict
    root: bytes
    path: tuple[bytes, ...]


def head_of(note: Note, trusted: Iterable[NoteKey], verify: Verify) -> Checkpoint:
    """The head that a log's own key has signed. Raises EvidenceRefused when none of these keys has, or it is another log's."""
    signers = proven(note, trusted, verify)
    head = parse_checkpoint(note.text)
    if all(signer.key.name != head.origin for signer in signers):
        raise EvidenceRefused("the checkpoint is another log's than the key's", code="note_refused")
    return head


def spans_between(one: Checkpoint, other: Checkpoint) -> list[merkle.Span]:
    """Of which spans of the larger tree the hashes are needed to judge two heads."""
    smaller, larger = sorted((one.size, other.size))
    if smaller in (0, larger):
        return []
    return [(0, smaller), *merkle.consistency_spans(smaller, larger)]


def judge(kept: Checkpoint, offered: Checkpoint, hashes: merkle.Hashes) -> Judgement:
    """Compare two heads of one log. ``hashes``: those of the larger tree, as the log gave them; nothing is taken on trust.

    Raises EvidenceRefused when the hashes are not those of the larger tree: then nothing can be said.
    """
    smaller, larger = sorted((kept, offered), key=lambda head: head.size)
    if smaller.size == larger.size:
        return Judgement(Verdict.SAME if kept.root == offered.root else Verdict.FORKED, b"", ())
    spans = merkle.consistency_spans(smaller.size, larger.size) if smaller.size else []
    root, path = merkle.root(smaller.size, hashes), tuple(merkle.proof(spans, hashes))
    merkle.check_consistency(smaller.size, root, larger.size, larger.root, path)
    if root != smaller.root:
        return Judgement(Verdict.FORKED, root, path)
    return Judgement(Verdict.GREW if larger is offered else Verdict.OLDER, root, path)


@dataclass(frozen=True, slots=True)
class Fork:
    """Two heads of one log that cannot both be true, and why not. Of equal size: no ``root`` and no ``path``."""

    kept: Note
    offered: Note
    root: bytes
    path: tuple[bytes, ...]

    def written(self) -> str:
        """One JSON document, for whoever shall be told."""
        said = {
            "format": _FORMAT,
            "kept": self.kept.written(),
            "offered": self.offered.written(),
            "path": [in_base64(part) for part in self.path],
            "root": in_base64(self.root),
        }
        return json.dumps(said, sort_keys=True, indent=2, ensure_ascii=False) + "\n"


def parse_fork(text: str) -> Fork:
    """Read one. Raises EvidenceRefused; nothing is proven by that."""
    try:
        said = json.loads(text)
        return _fork(said) if said["format"] == _FORMAT else _refuse()
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return _refuse()


def _fork(said: Mapping[str, str]) -> Fork:
    path = tuple(map(from_base64, said["path"]))
    return Fork(parse_note(said["kept"]), parse_note(said["offered"]), from_base64(said["root"]), path)


def _refuse() -> Fork:
    raise EvidenceRefused("this is not the proof of a fork", code="proof_refused")


def check_fork(fork: Fork, keys: Iterable[NoteKey], verify: Verify) -> None:
    """Raises EvidenceRefused unless a key of the log has signed both heads and both cannot be true."""
    trusted = list(keys)
    smaller, larger = sorted(
        (head_of(note, trusted, verify) for note in (fork.kept, fork.offered)), key=lambda head: head.size
    )
    if smaller.origin != larger.origin:
        raise EvidenceRefused("the heads are of two logs", code="proof_refused")
    if smaller.size < larger.size:
        merkle.check_consistency(smaller.size, fork.root, larger.size, larger.root, fork.path)
        differs = fork.root != smaller.root
    else:
        differs = smaller.root != larger.root
    if not differs:
        raise EvidenceRefused("both heads can be true", code="proof_refused")
