"""Files with many phones: one a line, CSV with a column of them, or JSON a line (NDJSON).

A file is read line by line as what it looks like, without being told. What stands beside a phone is not looked at: a list from
another system brings names along, and they are to stay there.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator

_COLUMNS = ("phone", "phone_number", "number", "msisdn", "e164", "to")
_MARK = "\ufeff"  # what some programs write at the beginning of a file


def phones_in(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """The number of each line that has something in it, counted from 1, and the phone there; what is no phone comes as it is."""
    column: int | None = None
    for number, raw in enumerate(lines, start=1):
        line = raw.strip().removeprefix(_MARK)
        if not line or line.startswith("#"):
            continue
        if line.startswith(("{", '"+')) and not (line.startswith('"') and "," in line):
            yield number, _from_json(line)
            continue
        cells = [cell.strip() for cell in next(csv.reader([line]), [])]
        if column is None:
            column = _heading(cells)
            if column is not None:
                continue
            column = 0
        yield number, cells[column] if column < len(cells) else ""


def _heading(cells: list[str]) -> int | None:
    """Which column has the phones; None when this is no heading."""
    names = [cell.casefold().replace(" ", "_") for cell in cells]
    return next((names.index(name) for name in _COLUMNS if name in names), None)


def _from_json(line: str) -> str:
    """Nothing when there is no phone in it."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return ""
    if isinstance(found, dict):
        found = next((found[name] for name in _COLUMNS if name in found), "")
    return found if isinstance(found, str) else ""
