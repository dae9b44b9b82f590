"""How listings look: a table on a terminal, plain aligned text anywhere else, one JSON document where it is asked for.

The document is the truth and the same as the HTTP API's; a table shows some of its fields. Plain text has no colour and
is never wrapped, so that it can be cut and searched.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from relay.cli.running import out

Document = Mapping[str, Any]


def print_json(document: object) -> None:
    """One JSON document, to stdout."""
    typer.echo(json.dumps(document, ensure_ascii=False, indent=2))


def print_listing(documents: Sequence[Document], *, columns: Sequence[str], as_json: bool) -> None:
    """Print documents: whole as ``{"data": [...]}``, or these fields of each as the columns of a table."""
    if as_json:
        print_json({"data": documents})
        return
    heads = [column.replace("_", " ") for column in columns]
    rows = [[_cell(document[column]) for column in columns] for document in documents]
    if out.is_terminal:
        out.print(_table(heads, rows))
    else:
        typer.echo(aligned([heads, *rows]))


def print_facts(document: Document, *, as_json: bool) -> None:
    """Print one document, as it is or one field a line."""
    if as_json:
        print_json(document)
        return
    typer.echo(aligned([[field.replace("_", " "), _cell(value)] for field, value in document.items()]))


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows as lines whose columns stand under each other, two blanks apart."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(*heads, box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for column in table.columns:
        column.overflow = "fold"  # an id that is cut short is none
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def _cell(value: object) -> str:
    """A value in a word or a few; a dash where there is none."""
    if value is None or value in ("", [], {}):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ",".join(map(str, value))
    return str(value)
