"""A progress bar, for a person who waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from relay.cli import running


@contextmanager
def bar(doing: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, nothing anywhere else; it is told how much of how much is done."""
    if not running.err.is_terminal:
        yield lambda done, size: None
        return
    columns = (TextColumn(doing), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=running.err, transient=True) as shown:
        task = shown.add_task("", total=None)
        yield lambda done, size: shown.update(task, completed=done, total=size)
