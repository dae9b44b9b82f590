"""Where keys are kept: outside the database, behind two calls. A file is one such place; a key management service is another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from relay.vault.keyring import Keyring


class KeyStore(Protocol):
    """Reads and changes the keys of one installation. Both calls may take long, and raise KeyringRefused."""

    def read(self) -> Keyring | None:
        """The keyring, or None when it is the same as at the last call."""
        ...

    def change(self, change: Callable[[Keyring], Keyring]) -> Keyring:
        """Replace it by what ``change`` makes of it, as if nobody else could at the same time; all or nothing."""
        ...
