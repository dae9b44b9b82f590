"""What a witness keeps: the last head in one file, and beside it the cosigned one, proofs of forks, and heads it refused.

Each is replaced whole or not at all, and is on the disk before anything is said about it. What a fork proves is named for what is
in it, so that looking again writes nothing twice.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from relay.core.errors import EvidenceRefused, OperatorMistake
from relay.core.notes import Note, NoteKey, parse_note
from relay.core.witnessing import Fork

_LONGEST = 200_000  # bytes
_TIME_BYTES = 8


class WitnessFiles:
    """The files of one witness for one log. Raises OperatorMistake when they cannot be read or written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cosigned = path.with_name(path.name + ".cosigned")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold them, so that no second witness puts an older head over a newer one."""
        with _told(self.path):
            lock = os.open(self.path.with_name(self.path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise OperatorMistake(f"another witness is at work with {self.path}") from None
            yield
        finally:
            os.close(lock)

    def last(self) -> Note | None:
        """The head that was seen last, or None when there is none yet.

        Raises EvidenceRefused for a file that is damaged. It is never taken for none: whoever empties it could make us forget.
        """
        return _read(self.path)

    def keep(self, head: Note) -> None:
        """Put this head in the last one's place."""
        _replace(self.path, head.written())

    def keep_cosigned(self, head: Note) -> None:
        """Keep the head with our signature under it, for whoever asks whether the log was witnessed."""
        _replace(self.cosigned, head.written())

    def cosigned_at(self, key: NoteKey) -> int | None:
        """When this key cosigned last, in seconds since 1970. Raises EvidenceRefused when the file is damaged."""
        note = _read(self.cosigned)
        ours = [s for s in note.signatures if (s.name, s.key_id) == (key.name, key.id)] if note else []
        return max((int.from_bytes(s.signature[:_TIME_BYTES], "big") for s in ours), default=None)

    def keep_fork(self, fork: Fork) -> Path:
        """Write the proof of a fork down; answer where."""
        return self._keep_beside("fork", fork)

    def keep_refused(self, pair: Fork) -> Path:
        """Write down two heads of which one was refused, though nothing is proven; answer where."""
        return self._keep_beside("refused", pair)

    def _keep_beside(self, kind: str, pair: Fork) -> Path:
        text = pair.written()
        path = self.path.with_name(f"{self.path.name}.{kind}-{sha256(text.encode()).hexdigest()[:12]}")
        _replace(path, text)
        return path


def _read(path: Path) -> Note | None:
    with _told(path):
        try:
            with path.open("rb") as stream:
                found = stream.read(_LONGEST)
        except FileNotFoundError:
            return None
    try:
        return parse_note(found.decode())
    except (UnicodeDecodeError, EvidenceRefused):
        raise EvidenceRefused(
            f"{path} is damaged: put back a copy of it, or begin anew with another file", code="witness_refused"
        ) from None


def _replace(path: Path, text: str) -> None:
    new = path.with_name(path.name + ".new")
    with _told(path):
        with new.open("wb") as stream:
            stream.write(text.encode())
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OperatorMistake(f"{path}: {error.strerror}") from None
