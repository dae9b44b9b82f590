"""The keys, which live in a file outside the database.

A key is 32 random bytes with a purpose and a number; the newest of a purpose seals, every one opens. Whoever has the
database without this file has no phone and no text. Losing the file loses every phone, so it is never made where one
should already be, and never written over.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from relay.core.errors import KeyMissing, KeyringRefused

KEY_BYTES = 32
_FORMAT = 1


class Purpose(StrEnum):
    """What a key is for. One key never serves two purposes."""

    INDEX = "index"  #: keyed hashes of phones
    FINGERPRINT = "fingerprint"  #: keyed hashes of requests, webhooks and provider ids
    EPOCH = "epoch"  #: seals participants' phones
    TRANSIT = "transit"  #: seals what still has to leave
    SETTINGS = "settings"  #: seals provider credentials
    TOKEN = "token"  # noqa: S105 - the purpose's name, not a secret. Signs callback tokens and cursors


@dataclass(frozen=True, slots=True)
class Key:
    """One key. It never shows its bytes."""

    id: int
    secret: bytes = field(repr=False)


class Keyring:
    """Keys by purpose, oldest first."""

    def __init__(self, keys: Mapping[Purpose, Sequence[Key]]) -> None:
        missing = [purpose for purpose in Purpose if not keys.get(purpose)]
        if missing:
            raise KeyringRefused(f"the keyring has no key for: {', '.join(missing)}")
        doubled = [purpose for purpose in Purpose if len({key.id for key in keys[purpose]}) < len(keys[purpose])]
        if doubled:  # the one would seal, the other be asked to open
            raise KeyringRefused(f"the keyring has two keys of one number for: {', '.join(doubled)}")
        self._keys = {purpose: tuple(sorted(keys[purpose], key=lambda key: key.id)) for purpose in Purpose}

    def newest(self, purpose: Purpose) -> Key:
        """The key that seals today."""
        return self._keys[purpose][-1]

    def newest_first(self, purpose: Purpose) -> tuple[Key, ...]:
        return self._keys[purpose][::-1]

    def key(self, purpose: Purpose, key_id: int) -> Key:
        """The key with this number. Raises KeyMissing when there is none: what it sealed cannot be opened here."""
        for key in self._keys[purpose]:
            if key.id == key_id:
                return key
        raise KeyMissing("sealed with a key that this keyring does not hold")

    def answers(self) -> dict[tuple[str, int], bytes]:
        """What every key answers to one fixed question: enough to recognise it, useless for anything else."""
        return {
            (str(purpose), key.id): hmac.digest(key.secret, b"relay keyring check 1", hashlib.sha256)
            for purpose, keys in self._keys.items()
            for key in keys
        }


def make() -> Keyring:
    """A new keyring with one key for each purpose."""
    return Keyring({purpose: [Key(1, secrets.token_bytes(KEY_BYTES))] for purpose in Purpose})


def save_new(keyring: Keyring, path: Path) -> None:
    """Write a keyring where there is none yet, readable by its owner only, and make it durable.

    Raises KeyringRefused when a file is there already: it may be the only key to somebody's data.
    """
    keys = {
        str(purpose): [{"id": key.id, "key": base64.b64encode(key.secret).decode()} for key in keyring._keys[purpose]]
        for purpose in Purpose
    }
    text = json.dumps({"relay_keyring": _FORMAT, "keys": keys}, indent=1)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        if not path.parent.is_dir():
            raise KeyringRefused(f"{path.parent} is not a folder") from None
        raise KeyringRefused(f"{path} exists already and is never written over") from None
    except OSError as error:
        raise KeyringRefused(f"{path} cannot be written: {error.strerror}") from None
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def load_or_make(path: Path) -> Keyring:
    """The keyring of an installation that has sealed nothing yet: what is there, or a new one."""
    if not path.exists():
        save_new(make(), path)
    return load(path)


def load(path: Path) -> Keyring:
    """Read a keyring file.

    Raises KeyringRefused when it is missing, when others may read it, or when it is not a keyring.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode & 0o777
            content = file.read(1_000_000)
    except OSError as error:
        raise KeyringRefused(
            f"no keyring at {path} ({error.strerror}): restore it from its backup, or make one for a new installation"
            " with `relay keyring make`"
        ) from None
    if mode & 0o077:
        raise KeyringRefused(f"{path} can be read by others (mode {mode:04o}): chmod 600 it")
    return _parse(content, path)


def _parse(content: bytes, path: Path) -> Keyring:
    try:
        document = json.loads(content)
        if document["relay_keyring"] != _FORMAT:
            raise ValueError("format")
        keys = {
            Purpose(purpose): [_key(entry["id"], entry["key"]) for entry in entries]
            for purpose, entries in document["keys"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, binascii.Error):
        raise KeyringRefused(f"{path} is not a keyring that this version can read") from None
    return Keyring(keys)


def _key(key_id: object, text: str) -> Key:
    secret = base64.b64decode(text, validate=True)
    if type(key_id) is not int or len(secret) != KEY_BYTES:
        raise ValueError("key")
    return Key(key_id, secret)
