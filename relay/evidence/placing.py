"""Puts a pack in its place whole or not at all. It is made in a folder beside that, which is cleared when the next one begins."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from relay.core.errors import OperatorMistake


@contextmanager
def appearing(out: Path) -> Iterator[Path]:
    """Where to make what shall be at ``out``: it gets there when the block ends well, and is gone when it does not.

    Raises OperatorMistake when something is there already, somebody else is making it, or it cannot be written.
    """
    try:
        _refuse_existing(out)
        work = out.absolute().with_name(out.absolute().name + ".part")
        with _alone(work):
            made = work / out.name
            try:
                yield made
                _refuse_existing(out)
                made.rename(out)
                _remember(work.parent)
            finally:
                shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise OperatorMistake(f"{out}: {error.strerror}") from None


def _refuse_existing(out: Path) -> None:
    if os.path.lexists(out):
        raise OperatorMistake(f"{out} is there already")


@contextmanager
def _alone(work: Path) -> Iterator[None]:
    """Hold an empty folder. What is found in it was left by somebody who was killed."""
    work.mkdir(mode=0o700, exist_ok=True)
    held = os.open(work, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OperatorMistake(f"another export is at work in {work}") from None
        for left in work.iterdir():
            shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()
        yield
    finally:
        os.close(held)


def _remember(folder: Path) -> None:
    """On the disk, as far as the disk can be told."""
    held = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            os.fsync(held)
    finally:
        os.close(held)
