"""The SQL of Relay, loaded once from ``sql/queries``: ``-- name: claim_due``, a line of comment, one statement.

SQL is never put together from pieces at run time. A name that stands twice, a statement without a name or without a
comment is a mistake that shows when the module is imported.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType

_HEAD = re.compile(r"^-- name: ([a-z][a-z0-9_]*)$", re.MULTILINE)


def read(text: str, where: str) -> dict[str, str]:
    """Split a query file into name -> statement. Raises ValueError, naming ``where``, for a file that breaks the form."""
    before, *parts = _HEAD.split(text)
    if any(line and not line.startswith("--") for line in before.splitlines()):
        raise ValueError(f"{where}: a statement stands before the first '-- name:'")
    queries: dict[str, str] = {}
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        lines = body.strip().splitlines()
        if name in queries:
            raise ValueError(f"{where}: {name} stands twice")
        if not lines or not lines[0].startswith("-- "):
            raise ValueError(f"{where}: {name} has no line of comment")
        statement = "\n".join(line for line in lines if not line.startswith("--")).strip()
        if not statement.endswith(";") or statement.count(";") != 1:
            raise ValueError(f"{where}: {name} is not exactly one statement that ends with ;")
        queries[name] = statement.removesuffix(";")
    return queries


@cache
def load(module: str) -> Mapping[str, str]:
    """The statements of ``sql/queries/<module>.sql``, by name."""
    file = resources.files("relay.sql") / "queries" / f"{module}.sql"
    return MappingProxyType(read(file.read_text(encoding="utf-8"), f"{module}.sql"))


def modules() -> list[str]:
    """The name of every query file."""
    folder = resources.files("relay.sql") / "queries"
    return sorted(f.name.removesuffix(".sql") for f in folder.iterdir() if f.name.endswith(".sql"))
