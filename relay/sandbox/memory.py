"""What a sandbox remembers from start to start, in one file beside its database.

The credentials that its relay has sealed and its carrier must be given again, the two API keys that are printed, and how
far its clock has been moved: were that forgotten, every row would lie in the future. The file holds secrets: it is for its
owner's eyes (0600), and it is replaced whole, so that a crash leaves the old or the new one. Production has no such file.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from relay.core.errors import DataDirectoryRefused

_NAME = "sandbox.json"


@dataclass(frozen=True, slots=True)
class Memory:
    """``clock_offset`` in seconds. The keys are empty until they have been made."""

    account_sid: str
    auth_token: str = field(repr=False)
    api_key: str = field(default="", repr=False)
    audit_key: str = field(default="", repr=False)
    clock_offset: float = 0.0

    @classmethod
    def new(cls) -> Self:
        """Fresh credentials in the form that the carrier gives out."""
        return cls("AC" + secrets.token_hex(16), secrets.token_hex(16))

    @classmethod
    def parse(cls, document: Mapping[str, object]) -> Self:
        """Read what ``store`` has written. Raises ValueError."""
        texts = {name: document.get(name) for name in ("account_sid", "auth_token", "api_key", "audit_key")}
        offset = document.get("clock_offset")
        if not all(isinstance(value, str) for value in texts.values()) or not isinstance(offset, int | float):
            raise ValueError("not a sandbox's memory")
        return cls(**{name: str(value) for name, value in texts.items()}, clock_offset=float(offset))


def recall(folder: Path) -> Memory:
    """What is remembered in this folder; a new memory where there is none. Raises DataDirectoryRefused."""
    path = folder / _NAME
    try:
        return Memory.parse(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return Memory.new()
    except (OSError, ValueError, AttributeError):
        raise DataDirectoryRefused(f"{path} cannot be read: remove {folder} to start a new sandbox") from None


def store(folder: Path, memory: Memory) -> None:
    """Write it down before anything relies on it."""
    fresh = folder / f"{_NAME}.new"
    opened = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(opened, "w", encoding="utf-8") as file:
        json.dump(asdict(memory), file)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(folder / _NAME)
