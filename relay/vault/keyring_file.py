"""A keyring as a file, outside the database.

Losing the file loses every phone, so it is never made where one should already be, and never written over but by a newer version
of itself: whole, durable, and while nobody else changes it.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from relay.core.errors import KeyringRefused
from relay.core.keys import Purpose
from relay.vault.keyring import KEY_BYTES, Key, Keyring, make, new_key

_FORMAT = 3
_READABLE = {1, 2, 3}  # the first had no times
_ADDED = {Purpose.REDACTION: 3, Purpose.LOG: 3}  # which format first had keys for this
_LONGEST = 1_000_000  # bytes


class KeyringFile:
    """A ``KeyStore`` in a file that only its owner can read. Several processes may use one file at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int, int] | None = None

    def read(self) -> Keyring | None:
        """The keyring, if it is another than at the last call. Raises KeyringRefused as ``load``."""
        try:
            found = self.path.stat()
        except OSError:
            self._seen = None
            return load(self.path)  # says what is wrong
        seen = (found.st_ino, found.st_mtime_ns, found.st_size)
        if seen == self._seen:
            return None
        ring = load(self.path)
        self._seen = seen
        return ring

    def change(self, change: Callable[[Keyring], Keyring]) -> Keyring:
        """Replace the keyring by what ``change`` makes of it, while no other process can. Killed half-way, the old one stands.

        Raises KeyringRefused when it cannot be read or written.
        """
        try:
            with _alone(self.path):
                ring = load(self.path)
                changed = change(ring)
                if changed.answers() != ring.answers():
                    _replace(self.path, _rendered(changed))
                return changed
        except OSError as error:
            raise KeyringRefused(f"{self.path} cannot be changed: {error.strerror}") from None


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the lock beside a keyring. The keyring itself is replaced, so a lock on it would be a lock on what was."""
    lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _replace(path: Path, text: str) -> None:
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)  # of one who was killed while writing it
    _write(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), text)
    new.replace(path)
    _sync_folder(path.parent)


def save_new(keyring: Keyring, path: Path) -> None:
    """Write a keyring where there is none yet, readable by its owner only, and make it durable.

    Raises KeyringRefused when a file is there already: it may be the only key to somebody's data.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        if not path.parent.is_dir():
            raise KeyringRefused(f"{path.parent} is not a folder") from None
        raise KeyringRefused(f"{path} exists already and is never written over") from None
    except OSError as error:
        raise KeyringRefused(f"{path} cannot be written: {error.strerror}") from None
    _write(handle, _rendered(keyring))
    _sync_folder(path.parent)


def _write(handle: int, text: str) -> None:
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def load_or_make(path: Path) -> Keyring:
    """The keyring of an installation that has sealed nothing yet: what is there, or a new one."""
    if not path.exists():
        save_new(make(), path)
    return load(path)


def complete(path: Path) -> None:
    """Give the keyring of an earlier version the keys that this version adds; what is no such keyring is left as it is.

    Raises KeyringRefused when it cannot be read or written.
    """
    if not path.exists() or not _added(_read(path), path):
        return
    try:
        with _alone(path):
            content = _read(path)
            keys = _keys_of(content, path) | {purpose: [new_key(1)] for purpose in _added(content, path)}
            _replace(path, _rendered(Keyring(keys)))
    except OSError as error:
        raise KeyringRefused(
            f"{path} is of an earlier version and needs keys added, and cannot be changed: {error.strerror}"
        ) from None


def _added(content: bytes, path: Path) -> set[Purpose]:
    """What a keyring lacks because it is of an earlier version."""
    keys, version = _keys_of(content, path), _document(content, path)["relay_keyring"]
    return {purpose for purpose, since in _ADDED.items() if version < since and purpose not in keys}


def load(path: Path) -> Keyring:
    """Read a keyring file.

    Raises KeyringRefused when it is missing, when others may read it, or when it is not a keyring.
    """
    return Keyring(_keys_of(_read(path), path))


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode & 0o777
            content = file.read(_LONGEST)
    except OSError as error:
        raise KeyringRefused(
            f"no keyring at {path} ({error.strerror}): restore it from its backup, or make one for a new installation"
            " with `relay keyring make`"
        ) from None
    if mode & 0o077:
        raise KeyringRefused(f"{path} can be read by others (mode {mode:04o}): chmod 600 it")
    return content


def _keys_of(content: bytes, path: Path) -> dict[Purpose, list[Key]]:
    try:
        entries = _document(content, path)["keys"].items()
        return {Purpose(purpose): [_key(**entry) for entry in held] for purpose, held in entries}
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error):
        raise _unreadable(path) from None


def _document(content: bytes, path: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(content)
        if document["relay_keyring"] not in _READABLE:
            raise ValueError("format")
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _unreadable(path) from None
    return document


def _unreadable(path: Path) -> KeyringRefused:
    return KeyringRefused(f"{path} is not a keyring that this version can read")


def _key(id: object, key: str, use_from: str | None = None) -> Key:
    secret = base64.b64decode(key, validate=True)
    if type(id) is not int or len(secret) != KEY_BYTES:
        raise ValueError("key")
    return Key(id, secret, datetime.fromisoformat(use_from).astimezone(UTC) if use_from is not None else None)


def _rendered(keyring: Keyring) -> str:
    keys = {str(purpose): [_entry(key) for key in keys] for purpose, keys in keyring.all().items()}
    return json.dumps({"relay_keyring": _FORMAT, "keys": keys}, indent=1) + "\n"


def _entry(key: Key) -> dict[str, Any]:
    entry: dict[str, Any] = {"id": key.id, "key": base64.b64encode(key.secret).decode()}
    return entry | ({"use_from": key.use_from.isoformat()} if key.use_from else {})
