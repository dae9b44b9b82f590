"""The carrier's own record of every send that it accepted: the outside truth that the relay is checked against.

Append only, and only sends accepted from the REST surface belong in it. A line is handed to the operating system
before the send is answered or receipted, so killing any process, this one included, cannot unsay an acceptance.
"""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from relay.sandbox.carrier.texts import Text, rfc3339


class Ledger:
    """Accepted sends, numbered from 1, in memory and, where a path is given, as JSON lines in that file.

    A file that holds entries already is continued, and so is its numbering.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._texts: list[Text] = []
        self._deleted: dict[str, datetime] = {}
        self._file = None if path is None else os.open(path, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)
        self._forgotten = 0 if path is None else _lines(path)

    def append(self, text: Text) -> None:
        """Record an accepted send."""
        self._texts.append(text)
        if self._file is not None:
            entry = _entry(self._forgotten + len(self._texts), text)
            os.write(self._file, json.dumps(entry, ensure_ascii=False).encode() + b"\n")

    def delete(self, text_id: str, at: datetime) -> None:
        """Note that the carrier was told to delete its record of a send. The entry stays: it is what happened."""
        self._deleted[text_id] = at

    def since(self, n: int) -> list[dict[str, Any]]:
        """The entries numbered above `n`, in the order of acceptance, each with when it was deleted."""
        start = max(0, n - self._forgotten)
        return [
            _entry(self._forgotten + i, text) | {"deleted_at": self._deleted_at(text)}
            for i, text in enumerate(self._texts[start:], start + 1)
        ]

    def _deleted_at(self, text: Text) -> str | None:
        at = self._deleted.get(text.id)
        return rfc3339(at) if at else None

    def clear(self) -> None:
        """Forget the entries in memory. The file keeps them and the numbering goes on: no number is given twice."""
        self._forgotten += len(self._texts)
        self._texts.clear()
        self._deleted.clear()

    def close(self) -> None:
        """Close the file; nothing may be appended afterwards."""
        if self._file is not None:
            os.close(self._file)


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file)


def _entry(n: int, text: Text) -> dict[str, Any]:
    token = None if text.callback is None else urlsplit(text.callback).path.rpartition("/")[2]
    return {
        "n": n,
        "from": text.sender,
        "to": text.recipient,
        "text": text.body,
        "at": rfc3339(text.at),
        "id": text.id,
        "token": token or None,
    }
